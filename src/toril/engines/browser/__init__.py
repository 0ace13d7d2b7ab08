"""Selenium and Playwright: browsers driven by Apiritif's process."""
