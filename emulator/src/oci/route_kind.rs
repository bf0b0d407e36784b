//! The macro that makes the enumeration of the kinds of routes.

/// Makes the enumeration of the kinds, and the list of all of them, from one list.
macro_rules! route_kinds {
    ($($(#[$doc:meta])* $kind:ident,)+) => {
        /// A route without its parts: for tests and for all that does not depend on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RouteKind {
            $($(#[$doc])* $kind,)+
        }

        impl RouteKind {
            /// All kinds. Tests go through them, so that a new route fails until it has its cases.
            #[cfg(feature = "internals")]
            pub const ALL: &[Self] = &[$(Self::$kind,)+];
        }
    };
}

pub(crate) use route_kinds;
