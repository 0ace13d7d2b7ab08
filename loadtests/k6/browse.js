import http from "k6/http";
import { sleep } from "k6";

// used if the suite has no load keys
export const options = { vus: 4, duration: "10s" };

export default function () {
  http.get(`${__ENV.SHOP_URL}/products`, { tags: { name: "products" } });
  http.get(`${__ENV.SHOP_URL}/search?q=lamp`, { tags: { name: "search" } });
  http.get(`${__ENV.SHOP_URL}/product/17`, { tags: { name: "product" } });
  sleep(0.15);
}
