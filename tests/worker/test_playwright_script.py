"""The script that toril generates for Playwright: readable Python with the suite's actions."""

import ast

from toril.worker.engines.browser.playwright import script_of

SCENARIO = {
    "default-address": "http://shop",
    "requests": [
        {"label": 'Say "hi" \\ 🎉', "url": "/?q='x'"},
        {
            "transaction": "Buy",
            "do": [
                {
                    "label": "Pay",
                    "think-time": "2s",
                    "actions": [
                        'clickByID(a"b)',
                        {"typeByCSS(#q)": "it's"},
                        "clickByLinkText(Log in)",
                        "waitForByXPath(//p, notvisible)",
                        {"waitForByCSS(.hit, clickable)": "500ms"},
                        "go(/cart)",
                        {"keysByID(q)": "KEY_ENTER"},
                        "resizeWindow(800, 600)",
                        "pauseFor(1s)",
                    ],
                }
            ],
        },
        "http://elsewhere/",
    ],
}


def test_every_action_is_a_line_and_every_request_a_step():
    script = script_of(SCENARIO)
    ast.parse(script)
    body = script.partition("def test_requests(page):\n")[2]
    assert body == (
        "    with transaction('Say \"hi\" \\\\ 🎉'):\n"
        "        page.goto(\"http://shop/?q='x'\")\n"
        "    with transaction('Buy'):\n"
        "        with transaction('Pay'):\n"
        '            page.locator(\'css=[id="a\\\\"b"]\').click()\n'
        "            page.wait_for_load_state()\n"
        "            page.locator('css=#q').fill(\"it's\")\n"
        "            page.get_by_role('link', name='Log in', exact=True).click()\n"
        "            page.wait_for_load_state()\n"
        "            page.locator('xpath=//p').wait_for(state='hidden')\n"
        "            page.locator('css=.hit').click(trial=True, timeout=500)\n"
        "            page.goto('http://shop/cart')\n"
        "            page.locator('css=[id=\"q\"]').press('Enter')\n"
        "            page.wait_for_load_state()\n"
        "            page.set_viewport_size({'width': 800, 'height': 600})\n"
        "            page.wait_for_timeout(1000)\n"
        "        page.wait_for_timeout(2000)\n"
        "    with transaction('http://elsewhere/'):\n"
        "        page.goto('http://elsewhere/')\n"
    )


def test_texts_of_a_suite_never_become_code():
    hostile = "'); import os; os.abort(); page.goto('"
    tree = ast.parse(script_of({"requests": [{"label": hostile, "actions": [{"typeByID(q)": hostile}]}]}))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "os" not in names
