//! Return types that can say that a call was refused, one trait for each argument that asks for it: so the error names it.

use super::{Fallible, Plan};

macro_rules! refusable {
    ($($name:ident, $method:ident, $message:literal;)*) => {$(
        #[doc = $message]
        #[diagnostic::on_unimplemented(
            message = $message,
            label = "cannot carry an `idempotently::Error`",
            note = "return `Result<_, E>`, and implement `From<idempotently::Error>` for `E`"
        )]
        pub trait $name: Fallible {}

        #[diagnostic::do_not_recommend]
        impl<R: Fallible> $name for R {}

        impl<Ret, K> Plan<Ret, K> {
            #[inline]
            pub fn $method(self) -> Self
            where
                Ret: $name,
            {
                Self::returning(self.keep)
            }
        }
    )*};
}

refusable! {
    ByCapacity, refused_by_capacity, "`capacity` can refuse a call, and `{Self}` cannot say so";
    ByDurable, refused_by_durable, "`durable` can refuse a call, and `{Self}` cannot say so";
    ByFingerprint, refused_by_fingerprint, "`fingerprint` can refuse a call, and `{Self}` cannot say so";
    ByInFlight, refused_by_in_flight, "`in_flight` can refuse a call, and `{Self}` cannot say so";
    ByMissing, refused_by_missing, "`missing = reject` can refuse a call, and `{Self}` cannot say so";
    ByStore, refused_by_store, "`store` can refuse a call, and `{Self}` cannot say so";
    ByTransaction, refused_by_transaction, "`transaction` can refuse a call, and `{Self}` cannot say so";
}
