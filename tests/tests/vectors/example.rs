//! Examples of messages, and how they become vectors.

use std::collections::BTreeSet;
use std::fmt::Debug;

use hobnob_wire::{Frame, codec};

/// A short name, what the page says about the value, and the value.
pub(crate) type Example<T> = (&'static str, &'static str, T);

/// One block of the page.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The fuzz target that reads such bytes.
    pub(crate) target: Option<&'static str>,
}

impl Vector {
    /// What finds the block on the page.
    pub(crate) fn title(&self) -> String {
        format!("{} / {}", self.kind, self.name)
    }

    /// The block, without its fences.
    pub(crate) fn block(&self) -> String {
        let hex: Vec<String> = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = hex.chunks(40).map(<[String]>::concat).collect();
        format!("{}\n{}\n{}\n", self.title(), self.says, lines.join("\n"))
    }
}

/// Names of an enum's variants. A variant that is not named does not compile.
pub(crate) trait Variants {
    const ALL: &'static [&'static str];

    fn variant(&self) -> &'static str;
}

macro_rules! variants {
    ($($type:ty: $($variant:ident),*;)*) => {$(
        impl $crate::example::Variants for $type {
            const ALL: &'static [&'static str] = &[$(stringify!($variant)),*];

            fn variant(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }
        }
    )*};
}
pub(crate) use variants;

/// Checks that there is an example of every variant.
pub(crate) fn every<T: Variants>(examples: Vec<Example<T>>) -> Vec<Example<T>> {
    let shown: BTreeSet<&str> = examples.iter().map(|(_, _, value)| value.variant()).collect();
    let all: BTreeSet<&str> = T::ALL.iter().copied().collect();
    assert_eq!(shown, all, "a message has no example");
    examples
}

/// Puts each example into a larger message.
pub(crate) fn within<T, U>(examples: Vec<Example<T>>, wrap: impl Fn(T) -> U) -> Vec<Example<U>> {
    examples.into_iter().map(|(name, says, value)| (name, says, wrap(value))).collect()
}

/// Encodes each example, and checks that its bytes decode to it.
pub(crate) fn frames<F>(target: &'static str, examples: Vec<Example<F>>) -> Vec<Vector>
where
    F: Frame + PartialEq + Debug,
{
    let vector = |(name, says, value): Example<F>| {
        let bytes = codec::encode(&value).expect("an example is within its limits");
        assert_eq!(codec::decode::<F>(&bytes).as_ref(), Ok(&value), "{name}");
        Vector { kind: F::NAME, name, says, bytes, target: Some(target) }
    };
    examples.into_iter().map(vector).collect()
}
