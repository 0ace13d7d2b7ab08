"""The script that toril generates for Playwright: readable Python with the suite's actions."""

import ast

from toril.engines.browser.playwright import script_of

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
    assert body.splitlines() == [
        "    with transaction('Say \"hi\" \\\\ 🎉'):",
        "        page.goto(\"http://shop/?q='x'\")",
        "    with transaction('Buy'):",
        "        with transaction('Pay'):",
        '            page.locator(\'css=[id="a\\\\"b"]\').click()',
        "            page.wait_for_load_state()",
        "            page.locator('css=#q').fill(\"it's\")",
        "            page.get_by_role('link', name='Log in', exact=True).click()",
        "            page.wait_for_load_state()",
        "            page.locator('xpath=//p').wait_for(state='hidden')",
        "            page.locator('css=.hit').click(trial=True, timeout=500)",
        "            page.goto('http://shop/cart')",
        "            page.locator('css=[id=\"q\"]').press('Enter')",
        "            page.wait_for_load_state()",
        "            page.set_viewport_size({'width': 800, 'height': 600})",
        "            page.wait_for_timeout(1000)",
        "        page.wait_for_timeout(2000)",
        "    with transaction('http://elsewhere/'):",
        "        page.goto('http://elsewhere/')",
    ]


def test_texts_of_a_suite_never_become_code():
    hostile = "'); import os; os.abort(); page.goto('"
    tree = ast.parse(script_of({"requests": [{"label": hostile, "actions": [{"typeByID(q)": hostile}]}]}))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "os" not in names
