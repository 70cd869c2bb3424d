//! Which traces are told of: decided by the trace ID alone, so that every process that knows an event decides alike.

use super::environment::Environment;
use super::ids::TraceId;
use crate::event::Event;

/// One part of all traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    ratio: f64,
}

impl Sampler {
    /// All traces.
    pub const ALL: Self = Self { ratio: 1.0 };

    /// An event has no parent, so that what is based on one comes down to what it does without.
    pub(super) fn read(env: &mut Environment<'_>) -> Self {
        let name = "OTEL_TRACES_SAMPLER";
        let Some(text) = env.text(name) else { return Self::ALL };
        match text.strip_prefix("parentbased_").unwrap_or(&text) {
            "always_on" => Self::ALL,
            "always_off" => Self { ratio: 0.0 },
            "traceidratio" => Self::of_ratio(env),
            _ => {
                let expected = "there are always_on, always_off and traceidratio, each also with parentbased_ before it; \
                                all is sampled";
                env.warn(name, &text, expected);
                Self::ALL
            }
        }
    }

    fn of_ratio(env: &mut Environment<'_>) -> Self {
        let name = "OTEL_TRACES_SAMPLER_ARG";
        match env.number(name, 0.0) {
            Some(ratio) if ratio <= 1.0 => Self { ratio },
            Some(ratio) => {
                env.warn(name, &ratio.to_string(), "expected a number from 0 to 1; all is sampled");
                Self::ALL
            }
            None => Self::ALL,
        }
    }

    /// Whether the trace of this event is told of. Where all are, nothing has to be reckoned.
    pub(super) fn takes_event(self, event: &Event) -> bool {
        self.ratio >= 1.0 || (self.ratio > 0.0 && self.takes(TraceId::of(&event.event_id())))
    }

    /// As the SDKs of OpenTelemetry do it: by the lower half of the ID.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are more than a ratio has")]
    pub(super) fn takes(self, trace: TraceId) -> bool {
        let [_, low] = trace.halves();
        let low = low >> 1;
        self.ratio >= 1.0 || (low as f64) < self.ratio * (1_u64 << 63) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    fn sampler(name: &str, argument: &str) -> Sampler {
        let variable = |wanted: &str| match wanted {
            "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
            _ => Some(argument.to_owned()),
        };
        Sampler::read(&mut Environment::new(&variable))
    }

    #[test]
    fn so_many_are_taken_and_always_the_same() {
        let taken = |sampler: Sampler| {
            (0..1000).filter(|seq| sampler.takes(TraceId::of(&format!("a1b2:{seq}")))).count()
        };
        assert_eq!(taken(sampler("always_on", "")), 1000);
        assert_eq!(taken(sampler("parentbased_always_off", "")), 0);
        assert_eq!(taken(sampler("nonsense", "")), 1000);
        assert_eq!(taken(sampler("traceidratio", "2")), 1000);
        let half = sampler("traceidratio", "0.5");
        for event in (0..100).map(|seq| event(seq, Action::Attach, 7)) {
            assert_eq!(half.takes_event(&event), half.takes(TraceId::of(&event.event_id())));
            assert_eq!(
                [Sampler::ALL, Sampler { ratio: 0.0 }].map(|some| some.takes_event(&event)),
                [true, false]
            );
        }
        let part = taken(sampler("parentbased_traceidratio", "0.25"));
        assert!((200..300).contains(&part), "{part}");
    }
}
