//! The shop in a browser: what its page does, what it shows, and who can use it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail where it stands")]

mod access;
mod page;

use page::Page;
use serde_json::Value;
use thirtyfour::prelude::*;

const BELL: i64 = 4_200;

/// What one sees of a bar, but for its colours.
const LOOK: &str = "((bar) => {
    const { backgroundImage, borderStyle, backgroundColor } = getComputedStyle(bar);
    const pattern = backgroundImage.replace(/rgba?\\([^)]*\\)/g, '');
    return [pattern, borderStyle, backgroundColor === getComputedStyle(bar).borderColor];
})";

#[tokio::test]
async fn a_double_click_charges_once_and_the_twin_twice() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    let button = page.find("#pay").await?;
    page.driver().action_chain().double_click_element(&button).perform().await?;
    page.settle(2).await?;

    let order = page.order().await?;
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert_eq!(page.shop.charges("without", &order), [BELL, BELL]);
    assert_eq!(page.text("#with .verdict").await?, "✓ Charged once\n€42.00");
    assert_eq!(page.text("#without .verdict").await?, "✕ Charged 2 times\n€84.00");
    assert_eq!(page.text("#with .total").await?, "€42.00");
    assert_eq!(page.text("#without .total").await?, "€84.00");

    assert_eq!(page.count("with", "executed 201").await?, 1);
    let answered = page.count("with", "joined 201").await? + page.count("with", "replayed 201").await?;
    assert_eq!(answered, 1, "{:?}", page.picture("with").await?);
    assert_eq!(page.count("without", "executed 201").await?, 1);
    assert_eq!(page.count("without", "charged again 201").await?, 1);
    page.close().await
}

#[tokio::test]
async fn a_lost_answer_and_a_reload_are_replayed() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    page.click("#lose").await?;
    page.press().await?;
    page.settle(2).await?;

    let order = page.order().await?;
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert_eq!(page.shop.charges("without", &order), [BELL, BELL], "whoever asked again was charged again");
    let picture = page.picture("with").await?;
    assert_eq!(picture[0], ["executed 201", "press 1, try 1 · answer lost"], "{picture:?}");
    // By the page, or by the browser, which did not tell the page.
    assert_eq!(picture[1][0], "replayed 201", "{picture:?}");
    assert!(page.text("#with .answer").await?.contains("Idempotent-Replayed: true"));

    page.driver().refresh().await?;
    page.until("document.querySelectorAll('#with .request').length === 2").await?;
    assert_eq!(page.order().await?, order, "it is still the same order");
    assert_eq!(page.text("#with .answer").await?, "Nothing yet.");
    page.press().await?;
    page.settle(3).await?;
    let answer = page.text("#with .answer").await?;
    assert!(answer.starts_with("201 Created\nIdempotent-Replayed: true\n"), "{answer}");
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    page.close().await
}

#[tokio::test]
async fn a_retry_storm_from_two_tabs_charges_once() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    for switch in ["#storm", "#tabs", "#slow"] {
        page.click(switch).await?;
    }
    page.press().await?;
    // Ten, unless this machine is so busy that a client gave up before it had sent anything.
    page.settle(3).await?;

    let order = page.order().await?;
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert!(page.shop.charges("without", &order).len() >= 3);
    let picture = page.picture("with").await?;
    assert_eq!(page.count("with", "executed 201").await?, 1, "{picture:?}");
    assert!(picture.iter().any(|[_, from]| from.ends_with("· client gave up")), "{picture:?}");
    assert!(page.count("without", "charged again 201").await? >= 2);
    page.close().await
}

#[tokio::test]
async fn two_windows_have_one_order_and_charge_once() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    let (first, order) = (page.driver().window().await?, page.order().await?);
    page.click("#other-tab").await?;
    page.driver().switch_to_window(page.other_window().await?).await?;
    page.until("document.querySelector('#order')?.textContent.startsWith('order-')").await?;
    assert_eq!(page.order().await?, order);

    page.press().await?;
    page.driver().switch_to_window(first).await?;
    page.press().await?;
    page.settle(2).await?;
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert_eq!(page.shop.charges("without", &order), [BELL, BELL]);

    page.click("#new-order").await?;
    page.until("document.querySelectorAll('.request').length === 0").await?;
    assert_ne!(page.order().await?, order, "a new order has a new key");
    page.press().await?;
    page.settle(1).await?;
    assert_eq!(page.shop.charges("with", &page.order().await?), [BELL]);
    assert_eq!(page.text("#with .all").await?, "All orders of this shop: 2 orders paid for, 2 charges, €84.00.");
    page.close().await
}

#[tokio::test]
async fn another_quantity_with_the_same_key_is_refused() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    page.press().await?;
    page.settle(1).await?;
    page.click("#quantity option:nth-child(3)").await?;
    page.press().await?;
    page.settle(2).await?;

    let order = page.order().await?;
    assert_eq!(page.picture("with").await?[1], ["refused 422", "press 2, try 1"]);
    let answer = page.text("#with .answer").await?;
    assert!(answer.starts_with("422 Unprocessable") && answer.contains("application/problem+json"), "{answer}");
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert_eq!(page.shop.charges("without", &order), [BELL, 3 * BELL]);
    page.close().await
}

#[tokio::test]
async fn the_ledger_and_the_answers_outlast_the_server() -> WebDriverResult<()> {
    let mut page = Page::open(1280, 900).await?;
    page.press().await?;
    page.settle(1).await?;
    let order = page.order().await?;
    let body = "document.querySelector('#with .answer').textContent.split('\\n').at(-1)";
    let first = page.is(body).await?;

    assert!(page.shop.close().success(), "Ctrl-C closes it, while the page listens");
    page.shop.open_again();
    // The page has found it again by itself: the picture was in the memory of the one that is gone, the ledger was not.
    page.until("document.querySelectorAll('.request').length === 0").await?;
    assert_eq!(page.text("#with .verdict").await?, "✓ Charged once\n€42.00");
    page.press().await?;
    page.settle(1).await?;
    assert_eq!(page.picture("with").await?[0], ["replayed 201", "press 2, try 1"]);
    assert_eq!(page.is(body).await?, first);
    assert_eq!(page.shop.charges("with", &order), [BELL]);
    assert_eq!(page.shop.charges("without", &order), [BELL, BELL]);
    page.close().await
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_charges_charges_once() -> WebDriverResult<()> {
    let mut page = Page::open(1280, 900).await?;
    page.press().await?;
    page.until("document.querySelector('#with .how.executed')").await?;
    page.shop.kill();
    page.shop.open_again();
    // The shop waits until the one that is dead cannot come back, and charges then.
    page.press().await?;
    page.settle(1).await?;
    let order = page.order().await?;
    assert_eq!(page.text("#with .verdict").await?, "✓ Charged once\n€42.00");
    // It may have died after it had charged, and is asked again then.
    assert_eq!(page.shop.taken("with", &order), BELL);
    let charges = page.shop.charges("with", &order);
    page.press().await?;
    page.settle(2).await?;
    assert_eq!(page.shop.charges("with", &order), charges);
    page.close().await
}

/// The picture of the README is this one; `cargo xtask screenshot` keeps it.
#[tokio::test]
async fn the_picture_tells_the_two_shops_apart() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    page.click("#lose").await?;
    page.click("#tabs").await?;
    page.press().await?;
    page.settle(4).await?;
    page.click("#tabs").await?;
    page.click("#lose").await?;
    page.press().await?;
    page.settle(5).await?;

    let picture = page.picture("with").await?;
    assert_eq!(page.count("with", "executed 201").await?, 1, "{picture:?}");
    let joined = page.count("with", "joined 201").await?;
    assert_eq!(joined + page.count("with", "replayed 201").await?, 4, "{picture:?}");
    assert_eq!(page.count("without", "charged again 201").await?, 4);
    // Each kind of bar has a look of its own, and the legend tells it.
    let kinds = ["executed", "joined", "replayed", "refused", "again"];
    let mut looks = Vec::new();
    for kind in kinds {
        looks.push(page.is(&format!("{LOOK}(document.querySelector('.legend .bar.{kind}'))")).await?);
    }
    assert!(looks.iter().enumerate().all(|(index, look)| !looks[..index].contains(look)), "{looks:?}");
    let bars = format!("[...document.querySelectorAll('#shops .bar')].map((bar) => [bar.classList[1], {LOOK}(bar)])");
    let bars: Vec<(String, Value)> = serde_json::from_value(page.is(&bars).await?)?;
    assert_eq!(bars.len(), 10);
    for (kind, look) in bars {
        assert_eq!(Some(look), kinds.iter().position(|of| *of == kind).map(|of| looks[of].clone()), "{kind}");
    }

    let photograph = page.photograph(1280).await?;
    assert!(photograph.starts_with(b"\x89PNG"));
    if let Some(file) = std::env::var_os("SHOP_SCREENSHOT") {
        std::fs::write(file, photograph).expect("the picture is written");
    }
    page.close().await
}
