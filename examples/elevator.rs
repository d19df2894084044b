//! Press the button of a lift five times, and one lift comes.
//!
//! `cargo run --example elevator`

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use idempotently::{idempotent, observe};

/// How many lifts have been sent off.
static LIFTS: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
struct Lift {
    number: u32,
}

#[idempotent(key = floor)]
fn call_lift(floor: u8) -> Lift {
    let number = LIFTS.fetch_add(1, Ordering::Relaxed) + 1;
    println!("  lift {number} sets off for floor {floor}");
    thread::sleep(Duration::from_millis(50));
    Lift { number }
}

fn main() {
    println!("Five people press the button on floor 3 at once.");
    thread::scope(|people| {
        for person in 1..=5 {
            people.spawn(move || {
                let lift = call_lift(3);
                println!("  person {person} is told: lift {}", lift.number);
            });
        }
    });

    println!("Somebody presses on floor 7.");
    println!("  person 6 is told: lift {}", call_lift(7).number);

    let again = observe(|| call_lift(3));
    println!("A child presses on floor 3 again: lift {} ({:?}).", again.value.number, again.how);
}
