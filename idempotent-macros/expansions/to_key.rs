#[derive(ToKey)]
struct OrderId(u64);

#[derive(ToKey)]
struct Order<'a, T: Copy> {
    tenant: &'a str,
    parts: Vec<T>,
}

#[derive(ToKey)]
#[to_key(crate = my::own)]
struct Pair(u8, String);

#[derive(ToKey)]
enum Mistake {
    One,
}

// Becomes:

#[automatically_derived]
impl ::idempotently::key::ToFingerprint for OrderId {
    fn write(&self, out: &mut ::idempotently::key::Writer<'_>) {
        fn component<T>(value: &T, out: &mut ::idempotently::key::Writer<'_>)
        where
            T: ::idempotently::key::ToKey + ?::core::marker::Sized,
        {
            ::idempotently::key::ToFingerprint::write(value, out);
        }
        component(&self.0, out);
    }
}
#[automatically_derived]
impl ::idempotently::key::ToKey for OrderId {}
#[automatically_derived]
impl<'a, T: Copy> ::idempotently::key::ToFingerprint for Order<'a, T>
where
    Vec<T>: ::idempotently::key::ToKey,
{
    fn write(&self, out: &mut ::idempotently::key::Writer<'_>) {
        fn component<T>(value: &T, out: &mut ::idempotently::key::Writer<'_>)
        where
            T: ::idempotently::key::ToKey + ?::core::marker::Sized,
        {
            ::idempotently::key::ToFingerprint::write(value, out);
        }
        out.sequence(|out| {
            component(&self.tenant, out);
            component(&self.parts, out);
        });
    }
}
#[automatically_derived]
impl<'a, T: Copy> ::idempotently::key::ToKey for Order<'a, T>
where
    Vec<T>: ::idempotently::key::ToKey,
{}
#[automatically_derived]
impl my::own::key::ToFingerprint for Pair {
    fn write(&self, out: &mut my::own::key::Writer<'_>) {
        fn component<T>(value: &T, out: &mut my::own::key::Writer<'_>)
        where
            T: my::own::key::ToKey + ?::core::marker::Sized,
        {
            my::own::key::ToFingerprint::write(value, out);
        }
        out.sequence(|out| {
            component(&self.0, out);
            component(&self.1, out);
        });
    }
}
#[automatically_derived]
impl my::own::key::ToKey for Pair {}
::core::compile_error! {
    "`ToKey` is derived for structs: implement `ToFingerprint` and `ToKey` by hand, or write `key::display(&value)` where the key is named"
}
#[automatically_derived]
impl ::idempotently::key::ToFingerprint for Mistake {
    fn write(&self, out: &mut ::idempotently::key::Writer<'_>) {}
}
#[automatically_derived]
impl ::idempotently::key::ToKey for Mistake {}
