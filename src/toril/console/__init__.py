"""The console: a web application over a store, on a laptop and on AWS.

- app: makes the application from its parts, which callers inject
- guard: checks of each request before any route, and the headers of each response
- identity: who sends a request, and what this person may do
- web: renders templates, and turns errors into answers
- static: styles and scripts, under addresses made of their content
- pages: one module for each page
- api: `/api/v1`
"""
