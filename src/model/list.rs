//! A list that is made when somebody first looks into it. How long it is is known before.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Items that never change, and need not be in memory. To its users a slice, and cheap to clone.
#[derive(Clone)]
pub struct List<T>(Arc<Items<T>>);

struct Items<T> {
    len: usize,
    made: OnceLock<Vec<T>>,
    make: Option<Make<T>>,
}

type Make<T> = Box<dyn Fn() -> Vec<T> + Send + Sync>;

impl<T> List<T> {
    /// A list of so many items, which `make` gives when they are first wanted.
    pub fn later(len: usize, make: impl Fn() -> Vec<T> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Items { len, made: OnceLock::new(), make: Some(Box::new(make)) }))
    }

    /// How many items there are; makes none of them.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let Items { made, make, .. } = &*self.0;
        made.get_or_init(|| make.as_ref().map(|make| make()).unwrap_or_default())
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(Arc::new(Items { len: items.len(), made: items.into(), make: None }))
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Vec::from_iter(items).into()
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn items_are_made_once_and_when_somebody_looks() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let list = List::later(2, move || {
            count.fetch_add(1, Ordering::Relaxed);
            vec![7, 8]
        });
        let other = list.clone();
        assert_eq!((list.len(), made.load(Ordering::Relaxed)), (2, 0));
        assert_eq!(list, List::from(vec![7, 8]));
        assert_eq!((other.get(1), made.load(Ordering::Relaxed)), (Some(&8), 1));
    }
}
