//! What an attribute of a rule demands: values, and the operator by which they are compared with those of a device.

/// How the values of a rule are compared with those of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    AllOf,
    OneOf,
    NoneOf,
    Equals,
    EqualsOrdered,
    MatchAll,
}

impl Operator {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all-of" => Self::AllOf,
            "one-of" => Self::OneOf,
            "none-of" => Self::NoneOf,
            "equals" => Self::Equals,
            "equals-ordered" => Self::EqualsOrdered,
            "match-all" => Self::MatchAll,
            _ => return None,
        })
    }
}

/// The values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set<T> {
    pub(super) operator: Operator,
    pub(super) values: Vec<T>,
}

impl<T> Set<T> {
    /// Whether what a device has is what the rule demands; `fits` says so of a single value.
    ///
    /// `Equals` is what USBGuard's code does, not what its manual says: the numbers of values are equal and every value of the
    /// rule fits one of the device, perhaps the same that another fits.
    pub(super) fn admits<F>(&self, found: &[F], fits: impl Fn(&T, &F) -> bool) -> bool {
        let is_found = |value: &T| found.iter().any(|found| fits(value, found));
        let is_demanded = |found: &F| self.values.iter().any(|value| fits(value, found));
        let are_as_many = self.values.len() == found.len();
        match self.operator {
            Operator::AllOf => self.values.iter().all(is_found),
            Operator::OneOf => self.values.iter().any(is_found),
            Operator::NoneOf => !self.values.iter().any(is_found),
            Operator::Equals => are_as_many && self.values.iter().all(is_found),
            Operator::EqualsOrdered => {
                are_as_many && self.values.iter().zip(found).all(|(value, found)| fits(value, found))
            }
            Operator::MatchAll => found.iter().all(is_demanded),
        }
    }

    /// Whether conditions are met. There is nothing that they would have to be equal to: every operator but two demands all.
    pub(super) fn is_met(&self, value: impl Fn(&T) -> bool) -> bool {
        match self.operator {
            Operator::OneOf => self.values.iter().any(value),
            Operator::NoneOf => !self.values.iter().any(value),
            Operator::AllOf | Operator::Equals | Operator::EqualsOrdered | Operator::MatchAll => {
                self.values.iter().all(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(operator: &str, demanded: &str, found: &str) -> bool {
        let operator = Operator::named(operator).expect("an operator");
        let set = Set { operator, values: demanded.chars().collect() };
        let found: Vec<char> = found.chars().collect();
        set.admits(&found, |value, found| *value == '*' || value == found)
    }

    #[test]
    fn an_operator_compares_as_the_manual_says() {
        for (operator, demanded, found, admitted) in [
            ("all-of", "ab", "cab", true),
            ("all-of", "ab", "ac", false),
            ("all-of", "a", "", false),
            ("one-of", "ab", "cb", true),
            ("one-of", "ab", "cd", false),
            ("none-of", "ab", "cd", true),
            ("none-of", "ab", "cb", false),
            ("none-of", "ab", "", true),
            ("equals", "ab", "ba", true),
            ("equals", "ab", "abc", false),
            ("equals", "ab", "a", false),
            ("equals", "*", "a", true),
            ("equals-ordered", "ab", "ab", true),
            ("equals-ordered", "ab", "ba", false),
            ("equals-ordered", "ab", "abc", false),
            ("match-all", "abc", "ba", true),
            ("match-all", "abc", "ad", false),
            ("match-all", "abc", "", true),
        ] {
            assert_eq!(admits(operator, demanded, found), admitted, "{operator} {demanded} {found}");
        }
    }

    #[test]
    fn equals_counts_but_does_not_pair() {
        assert!(admits("equals", "aa", "ab"));
        assert!(admits("equals", "**", "ab"));
        assert!(!admits("equals", "ab", "aa"));
    }

    #[test]
    fn conditions_are_met_together_or_one_or_none() {
        for (operator, none, some, all) in [
            ("all-of", false, false, true),
            ("equals", false, false, true),
            ("equals-ordered", false, false, true),
            ("match-all", false, false, true),
            ("one-of", false, true, true),
            ("none-of", true, false, false),
        ] {
            let operator = Operator::named(operator).expect("an operator");
            for (values, met) in [([false; 2], none), ([false, true], some), ([true; 2], all)] {
                let set = Set { operator, values: values.to_vec() };
                assert_eq!(set.is_met(|value| *value), met, "{operator:?} {values:?}");
            }
        }
    }

    #[test]
    fn other_words_are_no_operators() {
        for word in ["", "equals-", "All-of", "match"] {
            assert_eq!(Operator::named(word), None, "{word}");
        }
    }
}
