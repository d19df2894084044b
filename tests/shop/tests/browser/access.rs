//! The page for those who have no mouse, see little, or hold a phone.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::page::Page;

/// The contrast of every text to what is behind it, where that is less than WCAG 2.2 AA asks for.
const FAINT: &str = r"(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [r, g, b] = rgb(colour).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (rgb(colour)[3] === 255) return colour;
        }
        return 'white';
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const [one, other] = [light(style.color), light(behind(element))].toSorted((a, b) => b - a);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
    }
    return faint;
})()";

/// Where the focus is, and whether that can be seen.
const FOCUS: &str = "(() => {
    const { id, tagName } = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return { id: id || tagName, isSeen: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 };
})()";

/// A page with every kind of bar but the refused one, and a second charge.
async fn used(width: u32, height: u32) -> WebDriverResult<Page> {
    let page = Page::open(width, height).await?;
    page.click("#lose").await?;
    page.click("#tabs").await?;
    page.press().await?;
    page.settle(4).await?;
    page.click("#quantity option:nth-child(2)").await?;
    page.press().await?;
    page.settle(6).await?;
    Ok(page)
}

async fn focus_on(page: &Page, id: &str) -> WebDriverResult<()> {
    let mut been = Vec::new();
    for _ in 0..20 {
        page.keys(Key::Tab).await?;
        let focus = page.is(FOCUS).await?;
        assert_eq!(focus["isSeen"], true, "the focus on {} cannot be seen", focus["id"]);
        if focus["id"] == id {
            return Ok(());
        }
        been.push(focus["id"].clone());
    }
    panic!("Tab does not lead to {id}, only to {been:?}")
}

#[tokio::test]
async fn the_keyboard_alone_will_do() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    focus_on(&page, "quantity").await?;
    page.keys("2").await?;
    page.until("document.querySelector('#price').textContent === '€84.00'").await?;
    focus_on(&page, "pay").await?;
    page.keys(" ").await?;
    page.keys(Key::Enter).await?;
    page.settle(2).await?;
    let order = page.order().await?;
    assert_eq!(page.shop.charges("with", &order), [8_400]);
    assert_eq!(page.shop.charges("without", &order), [8_400, 8_400]);

    focus_on(&page, "new-order").await?;
    page.keys(" ").await?;
    page.until("document.querySelectorAll('.request').length === 0").await?;
    focus_on(&page, "lose").await?;
    page.keys(" ").await?;
    assert_eq!(page.is("document.querySelector('#lose').checked").await?, true);
    page.close().await
}

#[tokio::test]
async fn a_phone_shows_all_of_it_without_scrolling_sideways() -> WebDriverResult<()> {
    for width in [320, 360] {
        let page = used(width, 740).await?;
        let sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(page.is(sideways).await?, 0, "at {width} pixels");
        let small = page
            .is("[...document.querySelectorAll('button, select, a, label:has(input)')]
                .filter((control) => control.getBoundingClientRect().height < 24).map((control) => control.outerHTML)")
            .await?;
        assert_eq!(small, json!([]), "too small for a thumb");
        // Both come to the same place as the button, so that one sees them without a wide screen.
        assert_eq!(page.text("#score-with").await?, "With\n✓ 1 charge\n€42.00");
        assert!(page.text("#score-without").await?.starts_with("Without\n✕ "));
        page.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_text_stands_out_in_light_and_in_dark() -> WebDriverResult<()> {
    let page = used(1280, 900).await?;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let wanted = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.emulate("Emulation.setEmulatedMedia", wanted).await?;
        assert_eq!(page.is(FAINT).await?, json!([]), "{scheme}");
        grounds.push(page.is("getComputedStyle(document.body).backgroundColor").await?);
    }
    assert_ne!(grounds[0], grounds[1]);
    page.close().await
}

#[tokio::test]
async fn nothing_moves_for_those_who_asked_for_that() -> WebDriverResult<()> {
    let page = Page::open(1280, 900).await?;
    let moves = "getComputedStyle(document.querySelector('#pay')).transitionDuration";
    assert_ne!(page.is(moves).await?, "0s");
    let wanted = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    page.emulate("Emulation.setEmulatedMedia", wanted).await?;
    assert_eq!(page.is(moves).await?, "0s");
    page.close().await
}

#[tokio::test]
async fn all_that_can_be_used_has_a_name_and_news_are_told() -> WebDriverResult<()> {
    let page = used(1280, 900).await?;
    let tree = page.ask("Accessibility.getFullAXTree", json!({})).await?;
    let nodes = tree["nodes"].as_array().expect("a tree");
    let text = |node: &Value, field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
    let roles = ["button", "switch", "combobox", "link", "list", "table", "heading", "region"];
    let mut used: Vec<(String, String)> = Vec::new();
    for node in nodes.iter().filter(|node| node["ignored"] == false) {
        let (role, name) = (text(node, "role"), text(node, "name"));
        if roles.contains(&role.as_str()) {
            used.push((role, name));
        }
    }
    let count = |role| used.iter().filter(|(of, _)| of == role).count();
    assert_eq!((count("button"), count("switch"), count("combobox")), (2, 4, 1), "{used:?}");
    let controls = ["button", "switch", "combobox", "link", "heading"];
    let nameless = used.iter().find(|(role, name)| controls.contains(&role.as_str()) && name.is_empty());
    assert_eq!(nameless, None);
    assert!(used.contains(&("button".into(), "Pay now".into())));
    assert!(used.iter().any(|(role, name)| role == "combobox" && name == "Quantity"));

    assert_eq!(page.is("document.querySelector('#status').ariaLive").await?, "polite");
    let status = page.text("#status").await?;
    assert!(status.starts_with("Press 2. With idempotently: refused, 422. Without idempotently: charge "), "{status}");
    page.close().await
}
