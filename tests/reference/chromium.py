"""Headless Chromium, for tests of pages."""

import contextlib
import tempfile

from selenium import webdriver

_OPTIONS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update"),
    "window-size=1300,1000",
)


@contextlib.contextmanager
def chromium():
    """Debian's Chromium, which must be installed: a test without it fails."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for option in (*_OPTIONS, f"user-data-dir={profile}"):
            options.add_argument(f"--{option}")
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        driver.set_script_timeout(120)
        try:
            yield driver
        finally:
            driver.quit()
