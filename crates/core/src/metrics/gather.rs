//! Gathers all figures under their names: what was counted, and what the hub, the system and the outbox's folder say now.

use std::fs;
use std::path::Path;

use super::Metrics;
use super::figures::{ACTIONS, Figures, SOURCES};
use super::names;
use super::snapshot::{Family, Value, crossed, known, labelled, single};
use crate::delivery::Backlog;
use crate::host::LoopDelay;
use crate::hub::{Health, HealthStatus};
use crate::journey::Step;
use crate::notice::{GapCause, SourceState};
use crate::outbox::OutboxStatus;
use crate::platform::ProcessUse;
use crate::source::name;

const STATES: [SourceState; 5] =
    [SourceState::Up, SourceState::Deaf, SourceState::Failed, SourceState::Unavailable, SourceState::Off];
const STATUSES: [(HealthStatus, &str); 3] = [
    (HealthStatus::Healthy, "healthy"),
    (HealthStatus::Degraded, "degraded"),
    (HealthStatus::Unhealthy, "unhealthy"),
];

/// Each metric, in the order of [`names::ALL`].
pub(super) fn families(metrics: &Metrics, event_loop: Option<LoopDelay>) -> Vec<Family> {
    // One look at the accounts: their law holds in each snapshot.
    let health = metrics.hub.health();
    let backlog = metrics.hub.backlog();
    let figures = &*metrics.figures;
    let mut families = events(figures, &health);
    families.push(gaps(figures, backlog));
    families.extend(sources(figures, &health));
    families.extend(figures.usability.families(&metrics.hub));
    families.extend(outbox(&health.outbox, metrics.settings.capacity));
    families.extend([
        single(&names::PACED, figures.redis.paced()),
        single(&names::REDIS_ENABLED, metrics.settings.publishes),
        single(&names::REDIS_CONNECTED, health.redis.as_ref().is_some_and(|redis| redis.status.connected)),
        single(&names::REDIS_RECONNECTS, figures.redis.reconnects()),
        single(&names::REDIS_ERRORS, figures.redis.errors()),
    ]);
    families.extend(groups(figures));
    families.extend([
        known(&names::LOOP_DELAY, event_loop.as_ref().map(|event_loop| event_loop.delay_ms / 1000.0)),
        known(&names::LOOP_BLOCKED, event_loop.as_ref().map(|event_loop| !event_loop.responding)),
        single(&names::BACKLOG, backlog.waiting),
        labelled(&names::HEALTH, "status", STATUSES.map(|(status, word)| (word, health.status == status))),
        labelled(&names::BUILD, "version", [(health.version, 1)]),
        single(&names::DAEMON_START, seconds(metrics.started_at_ms)),
    ]);
    families.extend(process());
    families
}

fn events(figures: &Figures, health: &Health) -> Vec<Family> {
    let by_source = ACTIONS.iter().zip(&figures.events).flat_map(|(action, counters)| {
        counters.read().map(|(source, count)| ([action.as_str(), source], count))
    });
    let stages = Step::ALL.iter().zip(&figures.stages);
    vec![
        crossed(&names::EVENTS, ["action", "source"], by_source),
        single(&names::DEVICES, health.connected_devices),
        single(&names::PROCESSING_MS, figures.processing.in_ms()),
        single(&names::PROCESSING, figures.processing.in_seconds()),
        single(&names::PUBLISHING, figures.publishing.in_seconds()),
        labelled(
            &names::STAGES,
            "stage",
            stages.map(|(stage, durations)| (stage.as_str(), durations.in_seconds())),
        ),
        labelled(&names::SYNTHETIC, "cause", figures.synthetic.read()),
        labelled(&names::WITHHELD, "reason", figures.withheld.read()),
    ]
}

fn gaps(figures: &Figures, backlog: Backlog) -> Family {
    let everybodys = figures.gaps.read().map(|(cause, count)| {
        let source = if cause == GapCause::OutboxFull.as_str() { "outbox" } else { name::NETLINK };
        ([source, cause], count)
    });
    let own = (["delivery", GapCause::QueueFull.as_str()], backlog.gaps);
    crossed(&names::GAPS, ["source", "cause"], everybodys.chain([own]))
}

fn sources(figures: &Figures, health: &Health) -> Vec<Family> {
    let state = |source: &str| {
        let known = health.sources.iter().find(|known| known.status.source == source);
        known.map(|known| known.status.state)
    };
    // What a program reports comes when it comes.
    let with_state = || SOURCES.into_iter().filter(|source| *source != name::INJECTED);
    let states = with_state().flat_map(|source| {
        let now = state(source);
        STATES.map(|state| ([source, state.as_str()], now == Some(state)))
    });
    vec![
        labelled(
            &names::SOURCE_UP,
            "source",
            with_state().map(|source| (source, state(source) == Some(SourceState::Up))),
        ),
        crossed(&names::SOURCE_STATE, ["source", "state"], states),
        labelled(&names::SOURCE_REPORTS, "source", figures.reports.read()),
        labelled(&names::SOURCE_FIRST, "source", figures.first.read()),
        labelled(&names::SOURCE_OVERFLOWS, "source", figures.overflows.read()),
        labelled(
            &names::SOURCE_LAST,
            "source",
            figures.last_report.read().map(|(source, ms)| (source, seconds(ms))),
        ),
    ]
}

fn outbox(outbox: &OutboxStatus, capacity: u64) -> Vec<Family> {
    let accounts = &outbox.accounts;
    vec![
        single(&names::OUTBOX_CARRIED_OVER, accounts.carried_over),
        single(&names::OUTBOX_SEEN, accounts.seen),
        single(&names::OUTBOX_PUBLISHED, accounts.published),
        single(&names::OUTBOX_FILTERED, accounts.filtered),
        single(&names::OUTBOX_WAITING, accounts.waiting),
        single(&names::OUTBOX_CAPACITY, capacity),
        single(&names::OUTBOX_DROPPED, accounts.dropped),
        single(&names::OUTBOX_OLDEST, seconds(outbox.oldest_ms)),
        single(&names::OUTBOX_BYTES, outbox.path.as_deref().map_or(0, size)),
        single(&names::OUTBOX_DURABLE, outbox.durable),
    ]
}

fn groups(figures: &Figures) -> [Family; 2] {
    let groups = figures.redis.groups.read();
    let known = groups.iter().filter_map(|group| Some((group.name.clone(), group.unread?)));
    let unread = labelled(&names::GROUP_LAG, "group", known);
    let pending = groups.into_iter().map(|group| (group.name, group.pending));
    [unread, labelled(&names::GROUP_PENDING, "group", pending)]
}

fn process() -> [Family; 7] {
    let used = ProcessUse::now();
    [
        single(&names::CPU, used.cpu_seconds),
        single(&names::RESIDENT_MEMORY, used.resident_bytes),
        single(&names::VIRTUAL_MEMORY, used.virtual_bytes),
        single(&names::PROCESS_START, used.started),
        single(&names::OPEN_FDS, used.open_fds),
        single(&names::MAX_FDS, used.max_fds),
        single(&names::THREADS, used.threads),
    ]
}

/// The file and its log, which SQLite keeps beside the file that links lead to.
fn size(path: &str) -> u64 {
    let path = Path::new(path);
    let target = path.canonicalize();
    let path = target.as_deref().unwrap_or(path);
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path, Path::new(&log)]
        .into_iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|file| file.len())
        .sum()
}

fn seconds(ms: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
    Value::Number(ms as f64 / 1000.0)
}
