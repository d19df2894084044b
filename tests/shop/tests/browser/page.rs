//! The shop's page in a browser of its own.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use idempotent_servers::{CHROMIUM_FLAGS, Chromedriver};
use idempotent_shop_tests::Shop;
use serde_json::{Value, json};
use thirtyfour::{WindowHandle, prelude::*};

/// How long anything may take; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells when the page has come to something: it is looked at whenever the page changes.
const UNTIL: &str = "
    const [condition, done] = arguments;
    const holds = new Function(`return (${condition})`);
    const watch = new MutationObserver(() => { if (holds()) { watch.disconnect(); done(true); } });
    watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    if (holds()) { watch.disconnect(); done(true); }";

/// A page, its browser and the shop that it is of.
pub(crate) struct Page {
    /// Where a test fails, the browser ends with its server: to drop this would wait for it for a minute.
    driver: ManuallyDrop<WebDriver>,
    pub(crate) shop: Shop,
}

impl Page {
    /// Opens a shop, and its page in a window of that size.
    pub(crate) async fn open(width: u32, height: u32) -> WebDriverResult<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (shop, chromium) = (Shop::open(), Chromedriver::shared());
        let mut wanted = DesiredCapabilities::chrome();
        for flag in CHROMIUM_FLAGS {
            wanted.add_arg(flag)?;
        }
        let profile = chromium.folder().join(format!("profile-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        wanted.add_arg(&format!("--user-data-dir={}", profile.display()))?;
        wanted.add_arg(&format!("--window-size={width},{height}"))?;
        let driver = WebDriver::new(chromium.url(), wanted).await?;
        driver.set_script_timeout(PATIENCE).await?;
        let page = Self { driver: ManuallyDrop::new(driver), shop };
        page.size(json!(width), json!(height)).await?;
        page.driver.goto(page.shop.url()).await?;
        page.until("document.querySelector('#with .total').textContent === '€0.00'").await?;
        Ok(page)
    }

    /// Has the browser be something else: a device, or one with other preferences.
    pub(crate) async fn emulate(&self, what: &str, how: Value) -> WebDriverResult<()> {
        self.ask(what, how).await.map(drop)
    }

    /// Asks the browser something in its own language.
    pub(crate) async fn ask(&self, what: &str, how: Value) -> WebDriverResult<Value> {
        self.driver.cdp().send_raw(what, how).await
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str) -> WebDriverResult<()> {
        if let Err(error) = self.driver.execute_async(UNTIL, vec![json!(condition)]).await {
            panic!("it does not come to `{condition}`: {error}\n{}", self.text("body").await?);
        }
        Ok(())
    }

    /// What an expression is.
    pub(crate) async fn is(&self, expression: &str) -> WebDriverResult<Value> {
        Ok(self.driver.execute(format!("return {expression}"), vec![]).await?.json().clone())
    }

    pub(crate) async fn text(&self, selector: &str) -> WebDriverResult<String> {
        self.find(selector).await?.text().await
    }

    pub(crate) async fn find(&self, selector: &str) -> WebDriverResult<WebElement> {
        self.driver.find(By::Css(selector)).await
    }

    pub(crate) async fn click(&self, selector: &str) -> WebDriverResult<()> {
        self.find(selector).await?.click().await
    }

    pub(crate) async fn press(&self) -> WebDriverResult<()> {
        self.click("#pay").await
    }

    /// Waits until all presses are answered, and the picture of both shops shows at least so many requests, all over.
    pub(crate) async fn settle(&self, requests: usize) -> WebDriverResult<()> {
        let drawn = |shop| format!("document.querySelectorAll('#{shop} .request').length >= {requests}");
        let over =
            "document.querySelector('#status').dataset.underWay === '0' && !document.querySelector('.request.open')";
        self.until(&format!("{over} && {} && {}", drawn("with"), drawn("without"))).await
    }

    pub(crate) async fn order(&self) -> WebDriverResult<String> {
        self.text("#order").await
    }

    /// The window that the page has opened beside its own.
    pub(crate) async fn other_window(&self) -> WebDriverResult<WindowHandle> {
        let this = self.driver.window().await?;
        let begun = Instant::now();
        loop {
            // Nobody tells of a window that was opened; asking takes its time by itself.
            if let Some(other) = self.driver.windows().await?.into_iter().find(|window| *window != this) {
                return Ok(other);
            }
            assert!(begun.elapsed() < PATIENCE, "there is no other window");
        }
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// What the picture of a shop says was done with each request, and who sent it.
    pub(crate) async fn picture(&self, shop: &str) -> WebDriverResult<Vec<[String; 2]>> {
        let words = format!(
            "[...document.querySelectorAll('#{shop} .request')]
                .map((request) => ['.how', '.from'].map((part) => request.querySelector(part).textContent))"
        );
        Ok(serde_json::from_value(self.is(&words).await?)?)
    }

    /// The same, as how many requests it was done with.
    pub(crate) async fn count(&self, shop: &str, how: &str) -> WebDriverResult<usize> {
        Ok(self.picture(shop).await?.iter().filter(|[word, _]| word == how).count())
    }

    /// All of the page, as long as it is.
    pub(crate) async fn photograph(&self, width: u32) -> WebDriverResult<Vec<u8>> {
        let height = self.is("Math.ceil(document.body.getBoundingClientRect().height)").await?;
        self.size(json!(width), height).await?;
        self.driver.screenshot_as_png().await
    }

    /// Makes the window as large, in the pixels that the page counts.
    async fn size(&self, width: Value, height: Value) -> WebDriverResult<()> {
        let device = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.emulate("Emulation.setDeviceMetricsOverride", device).await
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) -> WebDriverResult<()> {
        self.driver.action_chain().send_keys(keys).perform().await
    }

    pub(crate) async fn close(self) -> WebDriverResult<()> {
        WebDriver::clone(&self.driver).quit().await
    }
}
