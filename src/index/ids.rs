//! Typed numbers of things in the index; all count from 1 in the order of the capture.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The id of the first thing.
            pub const FIRST: Self = Self(NonZeroU32::MIN);

            /// The id of the thing at `index` (from 0).
            pub fn at(index: usize) -> Self {
                let number = u32::try_from(index).unwrap_or(u32::MAX - 1).saturating_add(1);
                Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
            }

            /// The id with this number, none for 0.
            pub fn new(number: u32) -> Option<Self> {
                NonZeroU32::new(number).map(Self)
            }

            /// Position, from 0.
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }

            /// Number, from 1.
            pub fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Order of completion in the capture: by frame, then by position in it.
    MessageId
);
id!(
    /// A transaction (RFC 3261, 17).
    TransactionId
);
id!(
    /// A dialog: Call-ID and both tags (RFC 3261, 12).
    DialogId
);
id!(
    /// A call, registration, subscription or other group of messages that belong together.
    CallId
);
id!(
    /// A pair of addresses with the transport between them.
    FlowId
);
id!(
    /// Call-ID, From and To of some messages.
    PartiesId
);
id!(
    /// An interned piece of text.
    TextId
);
id!(
    /// Media announced by a session description.
    AnnouncementId
);
id!(
    /// A stream of RTP packets.
    StreamId
);
