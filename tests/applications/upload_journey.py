"""Sends a document by a form, and stores a picture at a signed address."""

from apiritif import transaction
from playwright.sync_api import FilePayload, Page, expect

DOCUMENT: FilePayload = {
    "name": "Offer.pdf",
    "mimeType": "application/pdf",
    "buffer": b"%PDF-1.7\r\n\x00\xff--\r\n" * 300,
}
PICTURE: FilePayload = {"name": "picture.png", "mimeType": "image/png", "buffer": bytes(range(256)) * 20}


def test_uploading(page: Page) -> None:
    with transaction("Send a document"):
        page.goto("/")
        page.get_by_label("Title").fill("Offer for two sofas")
        page.get_by_label("Document").set_input_files(DOCUMENT)
        expect(page.locator("#state")).to_have_text("Checked")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading")).to_have_text("Received")
    with transaction("Store a picture"):
        page.goto("/")
        page.get_by_label("Picture").set_input_files(PICTURE)
        page.get_by_role("button", name="Store").click()
        expect(page.locator("#state")).to_have_text("Stored 5120 bytes")
