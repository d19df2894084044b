//! How often clients ask for one payment: what people and networks do to a button that says "Pay now".

use super::random::Random;
use super::shop::{Payment, Request};

/// Everything that the client sends for this payment.
pub(super) fn send(random: &mut Random, payment: &Payment, sent: &mut Vec<Request>) {
    let first = payment.start;
    match random.between(0, 100) {
        0..60 => push(sent, payment, first, 1),
        60..83 => clicks(random, payment, sent),
        83..94 => retries(random, payment, sent),
        94..98 => {
            // The answer was lost, and the customer tries again when the train is out of the tunnel.
            push(sent, payment, first, 1);
            push(sent, payment, first + random.between(4_000, 11_000), 2);
        }
        _ => key_reused(random, payment, sent),
    }
}

/// Two to five clicks within a moment; the page sends each as if it were the first.
fn clicks(random: &mut Random, payment: &Payment, sent: &mut Vec<Request>) {
    let mut at = payment.start;
    for _ in 0..random.between(2, 6) {
        push(sent, payment, at, 1);
        at += random.between(1, 60);
    }
}

/// A client without an answer tries again, each time after twice the pause and some jitter.
fn retries(random: &mut Random, payment: &Payment, sent: &mut Vec<Request>) {
    let (mut at, mut pause) = (payment.start, 200);
    for attempt in 1..=random.pick(&[2, 2, 2, 3, 3, 4]) {
        push(sent, payment, at, attempt);
        at += pause + random.between(0, pause);
        pause *= 2;
    }
}

/// A basket that changed after payment, under the key of the old one.
fn key_reused(random: &mut Random, payment: &Payment, sent: &mut Vec<Request>) {
    push(sent, payment, payment.start, 1);
    // Nothing is kept of a declined payment: its key may still be used for another.
    if payment.card != "tok_declined" {
        let changed = Payment { amount: payment.amount + 490, ..payment.clone() };
        push(sent, &changed, payment.start + random.between(2_500, 11_000), 1);
    }
}

fn push(sent: &mut Vec<Request>, payment: &Payment, at: u64, attempt: u32) {
    sent.push(Request { at, payment: payment.clone(), attempt });
}
