//! A field that is left out, wrong or sound.

/// What a field holds once it is checked.
#[derive(Clone, Debug)]
pub(super) enum FieldRead<T> {
    /// It is not given.
    Absent,
    /// It is given, and a finding says what is wrong with it.
    Broken,
    /// It is given and sound.
    Sound(T),
}

impl<T: Clone> FieldRead<T> {
    /// Returns the field or, where it is not given, the default.
    pub(super) fn or(self, default: &Self) -> Self {
        if let Self::Absent = self { default.clone() } else { self }
    }
}

impl<T> From<Option<T>> for FieldRead<T> {
    /// Takes the result of reading a field that is given.
    fn from(read: Option<T>) -> Self {
        read.map_or(Self::Broken, Self::Sound)
    }
}
