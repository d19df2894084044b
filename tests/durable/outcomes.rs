//! Every answer from a record is the outcome that was recorded; what its JSON would change is not kept at all.

use idempotently::backend::memory::MemoryStore;
use idempotently::store::Standing;
use idempotently::{Error, ErrorKind, Operation, Records, Retention, SharedStore, idempotent};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Large { number: i128 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<u8>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Nothing,
    Number(u8),
}

/// Serializes as one type and reads as another.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Asymmetric(u8);

impl Serialize for Asymmetric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("seven")
    }
}

/// The first answer, and what the same call gets from the record.
fn twice<T>(outcome: &T) -> (Result<T, Error>, Result<T, Error>)
where
    T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
{
    #[idempotent(key = (1,), store = store, scope = scope, interrupted = fail)]
    fn record<T>(store: &SharedStore, scope: &'static str, outcome: &T) -> Result<T, Error>
    where
        T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    {
        Ok(outcome.clone())
    }
    let store = SharedStore::new(MemoryStore::new());
    let scope = std::any::type_name::<T>();
    (record(&store, scope, outcome), record(&store, scope, outcome))
}

#[track_caller]
fn comes_back<T>(outcome: &T)
where
    T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let (first, second) = twice(outcome);
    assert_eq!(first.ok().as_ref(), Some(outcome));
    assert_eq!(second.ok().as_ref(), Some(outcome));
}

/// The caller has its value, and nobody runs it again or gets another one.
#[track_caller]
fn is_lost<T>(outcome: &T)
where
    T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned + Debug,
{
    let (first, second) = twice(outcome);
    assert_eq!(format!("{:?}", first.ok()), format!("{:?}", Some(outcome)));
    let error = second.map(|other| format!("{outcome:?} became {other:?}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeLost, "{outcome:?}: {error}");
}

#[test]
fn what_json_would_change_is_not_kept() {
    is_lost(&Some(()));
    is_lost(&Some(None::<u8>));
    is_lost(&vec![Some(()), None]);
    is_lost(&Some(Some(())));
    is_lost(&Some(Unit));
    is_lost(&Some(Wrapped(None)));
    is_lost(&Some(Box::new(Wrapped(None))));
    is_lost(&Some(Untagged::Nothing));
    is_lost(&BTreeMap::from([("a".to_owned(), Some(()))]));
    is_lost(&Some(f64::NAN));
    is_lost(&Some(f32::INFINITY));
    is_lost(&f64::NAN);
    is_lost(&f64::NEG_INFINITY);
    is_lost(&f32::NAN);
    is_lost(&vec![1.0, f64::NAN]);
    is_lost(&Tagged::Large { number: 7 });
    is_lost(&Asymmetric(7));
    is_lost(&HashMap::from([((1, 2), 3)]));
}

#[test]
fn what_json_brings_back_is_kept() {
    comes_back(&());
    comes_back(&None::<()>);
    comes_back(&None::<Option<u8>>);
    comes_back(&Some(Some(7u8)));
    comes_back(&vec![None, Some(7u8)]);
    comes_back(&Unit);
    comes_back(&Wrapped(None));
    comes_back(&Some(Wrapped(Some(1))));
    comes_back(&Untagged::Nothing);
    comes_back(&Some(Untagged::Number(1)));
    comes_back(&31.245_270_191_439_438_f64);
    comes_back(&f64::MIN_POSITIVE);
    comes_back(&5e-324_f64);
    comes_back(&f64::MAX);
    comes_back(&0.1_f32);
    comes_back(&(i128::MIN, u128::MAX, u64::MAX));
    comes_back(&HashMap::from([(7u8, "x".to_owned()), (8, "y".to_owned())]));
    comes_back(&Ok::<Option<u8>, String>(None));
    assert!(twice(&-0.0_f64).1.is_ok_and(f64::is_sign_negative));
}

#[test]
fn every_finite_number_comes_back_bit_for_bit() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64*, from a fixed seed.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let numbers: Vec<f64> = std::iter::repeat_with(&mut random)
        .map(f64::from_bits)
        .filter(|number| number.is_finite())
        .take(20_000)
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "numbers of a usual size, whatever their last bit")]
    let usual: Vec<f64> =
        std::iter::repeat_with(random).map(|bits| bits as f64 / 18_446_744_073_709_551.0).take(20_000).collect();
    #[expect(clippy::cast_possible_truncation, reason = "other numbers of fewer bits")]
    let short: Vec<f32> = usual.iter().map(|number| *number as f32).collect();
    let outcome = (numbers, usual, short);
    let (_, replayed) = twice(&outcome);
    let replayed = replayed.unwrap();
    let bits = |(numbers, usual, short): &(Vec<f64>, Vec<f64>, Vec<f32>)| -> Vec<u64> {
        let long = numbers.iter().chain(usual).map(|number| number.to_bits());
        long.chain(short.iter().map(|number| u64::from(number.to_bits()))).collect()
    };
    assert!(bits(&outcome) == bits(&replayed));
}

type Nested = Option<Option<Option<u8>>>;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Every answer is the outcome, or says that the outcome was not kept.
    #[test]
    fn nested_options_come_back_or_are_lost(outcome in proptest::collection::vec(prop_oneof![
        Just(None),
        Just(Some(None)),
        Just(Some(Some(None))),
        any::<u8>().prop_map(|number| Some(Some(Some(number)))),
    ], 0..4)) {
        let outcome: Vec<Nested> = outcome;
        let is_faithful = outcome.iter().all(|nested| !matches!(nested, Some(None | Some(None))));
        match twice(&outcome).1 {
            Ok(replayed) => assert_eq!(replayed, outcome),
            Err(error) => assert!(!is_faithful && error.kind() == ErrorKind::OutcomeLost, "{outcome:?}: {error}"),
        }
    }
}

#[test]
fn an_outcome_settled_by_hand_is_held_to_the_same_rule() {
    static CHARGE: Operation = Operation::new("outcomes.resolved");
    let store = SharedStore::new(MemoryStore::new());
    let call = || CHARGE.call(&1).store(&store).try_run(|| -> Result<Option<f64>, Error> { panic!("on purpose") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    let records = Records::of(&store);
    let resolve = |outcome: Option<f64>| records.resolve("outcomes.resolved", &1, &outcome, Retention::Forever);
    assert_eq!(resolve(Some(f64::NAN)).unwrap_err().kind(), ErrorKind::Codec);
    let left = records.peek("outcomes.resolved", &1).unwrap().unwrap();
    assert_eq!(left.standing, Standing::Interrupted);
    assert!(resolve(Some(1.5)).unwrap());
    assert_eq!(call().unwrap(), Some(1.5));
}

#[test]
fn an_operator_reads_outcomes_with_and_without_their_type() {
    static CHARGE: Operation = Operation::new("outcomes.read");
    static LARGE: Operation = Operation::new("outcomes.read.large");
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Receipt {
        message_id: String,
    }
    let store = SharedStore::new(MemoryStore::new());
    let receipt = Receipt { message_id: "m-1".to_owned() };
    CHARGE.call(&1).store(&store).try_run(|| Ok::<_, Error>(receipt.clone())).unwrap();
    let records = Records::of(&store);
    let peek = |key: i32| records.peek("outcomes.read", &key).unwrap().unwrap();
    assert_eq!(peek(1).outcome_as::<Receipt>().unwrap(), Some(receipt));
    assert_eq!(peek(1).outcome_json(), Some(r#"{"message_id":"m-1"}"#));
    let other = peek(1).outcome_as::<u64>().unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Codec);
    let [listed] = &records.list("outcomes.read", Standing::Completed, None, 10).unwrap()[..] else { panic!("one") };
    assert_eq!(listed.outcome_json(), peek(1).outcome_json());

    let call = || CHARGE.call(&2).store(&store).try_run(|| -> Result<Receipt, Error> { panic!("on purpose") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    assert_eq!((peek(2).outcome_as::<Receipt>().unwrap(), peek(2).outcome_json()), (None, None));

    LARGE.call(&3).store(&store).try_run(|| Ok::<_, Error>("x".repeat(2 << 20))).unwrap();
    let lost = records.peek("outcomes.read.large", &3).unwrap().unwrap();
    assert_eq!(lost.outcome_as::<String>().unwrap_err().kind(), ErrorKind::OutcomeLost);
    assert_eq!(lost.outcome_json(), None);
}

#[test]
fn what_a_store_says_of_itself_shows_no_outcome() {
    use idempotently::record::{Record, State};
    use idempotently::store::{Adopted, Claimed, Recorded};
    let outcome = || b"4111".to_vec();
    let state = State::Completed { outcome: outcome(), ends: None };
    let shown = [
        format!("{state:?}"),
        format!("{:?}", Record::new(state, 7, 1)),
        format!("{:?}", Claimed::Completed { outcome: outcome() }),
        format!("{:?}", Adopted::Completed { outcome: outcome() }),
        format!("{:?}", Recorded::Superseded { outcome: outcome() }),
    ];
    for shown in shown {
        assert!(!shown.contains("52, 49") && !shown.contains("4111"), "{shown}");
    }
}
