package shop

import io.gatling.core.Predef._
import io.gatling.http.Predef._

class Buying extends Simulation {
  // the suite's load keys are system properties
  val users = Integer.getInteger("concurrency", 1).toInt
  val iterations = Integer.getInteger("iterations", 1).toInt

  val buying = scenario("buying").repeat(iterations) {
    group("buy") {
      exec(
        http("cart").post("/cart").body(StringBody("""{"product": 17, "quantity": 2}""")).asJson
          .check(status.is(201), jsonPath("$.cart").saveAs("cart"))
      ).exec(
        http("checkout").post("/checkout").body(StringBody("""{"cart": #{cart}}""")).asJson.check(status.is(201))
      )
    }
  }

  setUp(buying.inject(atOnceUsers(users)).protocols(http.baseUrl(System.getenv("SHOP_URL"))))
}
