//! third_party
