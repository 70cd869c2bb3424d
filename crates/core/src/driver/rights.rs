//! Whether whoever carries rules out could do what they ask for now. Changes nothing.

use std::time::Duration;

use super::helper::Answer;
use super::kernel::Kernel;
use super::performer::{PATIENCE, Performer, Unanswered};
use super::plan::{Facts, of_any_device, plan};
use super::request::{Request, no_device};
use crate::config::DriversConfig;
use crate::driver_report::{DriverPlan, DriverStep};
use crate::error::Error;
use crate::present::present_devices;

/// Something that a rule asks for and that would not be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// Which rule, counted from 0.
    pub(crate) rule: usize,
    pub(crate) request: String,
    /// What is lacking for it, or why the helper does not do it.
    pub(crate) why: String,
    /// The helper does not do such a thing, whatever is there.
    pub(crate) is_refused: bool,
}

/// What was found of the rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// So many things are known that they ask for: a rule may not say before its device is there.
    pub(crate) asked: usize,
    pub(crate) lacks: Vec<Lack>,
    /// Why the helper does nothing at all, whoever's list it is. Found out where nothing else was asked.
    pub(crate) answers_nobody: Option<String>,
}

/// Why it cannot be found out.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// What is connected cannot be listed.
    Bus(Error),
    /// The helper cannot be reached, or does not answer.
    Helper(Unanswered),
}

/// A device that is connected and the rule that decides for it.
struct Planned {
    facts: Facts,
    rule: usize,
    requests: Vec<Request>,
}

/// What the rules would do now for what is connected, and what is lacking for it. Changes nothing.
///
/// # Errors
/// `ERR_USB_SYSTEM` where the bus cannot be listed.
pub fn driver_plan(config: &DriversConfig) -> Result<Vec<DriverPlan>, Error> {
    let planned = planned(config)?;
    let performer = Performer::new(config);
    let requests: Vec<Request> = planned.iter().flat_map(|planned| planned.requests.clone()).collect();
    let answers = performer
        .check(&requests, PATIENCE)
        .unwrap_or_else(|why| vec![Answer::Failed(why.to_string()); requests.len()]);
    let mut answers = answers.into_iter();
    let step = |(request, answer): (&Request, Answer)| DriverStep {
        request: request.to_string(),
        lacks: match answer {
            Answer::Refused(why) | Answer::Failed(why) => Some(why),
            Answer::Done => None,
        },
    };
    let plan = |Planned { facts, rule, requests }| DriverPlan {
        steps: requests.iter().zip(&mut answers).map(step).collect(),
        device: facts.name,
        vendor_id: format!("{:04x}", facts.vendor),
        product_id: format!("{:04x}", facts.product),
        rule,
    };
    Ok(planned.into_iter().map(plan).collect())
}

/// What is lacking for what the rules ask for: of devices that are connected, and of whichever come.
///
/// # Errors
/// Where that cannot be found out.
pub(crate) fn driver_rights(config: &DriversConfig, patience: Duration) -> Result<Rights, Unknown> {
    let planned = planned(config).map_err(Unknown::Bus)?;
    let of_devices = planned.into_iter().flat_map(|Planned { rule, requests, .. }| {
        requests.into_iter().map(move |request| Asked { rule, request, is_of_device: true })
    });
    let of_rules = config.rules.iter().enumerate().flat_map(|(rule, each)| {
        let asked = move |request| Asked { rule, request, is_of_device: false };
        of_any_device(each).into_iter().map(asked)
    });
    rights(&Performer::new(config), of_devices.chain(of_rules), patience)
}

struct Asked {
    rule: usize,
    request: Request,
    /// There is a device for which it would be done now.
    is_of_device: bool,
}

fn rights(
    performer: &Performer,
    all: impl Iterator<Item = Asked>,
    patience: Duration,
) -> Result<Rights, Unknown> {
    let mut asked: Vec<Asked> = Vec::new();
    for each in all {
        if asked.iter().all(|known| known.request != each.request) {
            asked.push(each);
        }
    }
    if asked.is_empty() {
        let answers_nobody = performer.refusal(patience).map_err(Unknown::Helper)?;
        return Ok(Rights { asked: 0, lacks: Vec::new(), answers_nobody });
    }
    let requests: Vec<Request> = asked.iter().map(|asked| asked.request.clone()).collect();
    let answers = performer.check(&requests, patience).map_err(Unknown::Helper)?;
    let lack = |(Asked { rule, request, is_of_device }, answer): (&Asked, Answer)| {
        let (why, is_refused) = match answer {
            Answer::Done => return None,
            Answer::Refused(why) => (why, true),
            // All that is lacking for it is the device.
            Answer::Failed(why) if !is_of_device && is_for_want_of_a_device(request, &why) => return None,
            Answer::Failed(why) => (why, false),
        };
        Some(Lack { rule: *rule, request: request.to_string(), why, is_refused })
    };
    let lacks = asked.iter().zip(answers).filter_map(lack).collect();
    Ok(Rights { asked: asked.len(), lacks, answers_nobody: None })
}

fn is_for_want_of_a_device(request: &Request, why: &str) -> bool {
    matches!(request, Request::NewId { vendor, product, .. } if why == no_device(*vendor, *product))
}

fn planned(config: &DriversConfig) -> Result<Vec<Planned>, Error> {
    let kernel = Kernel::new();
    let of_device = |name: String, rule: usize| {
        let facts = kernel.facts(&name)?;
        Some(Planned { requests: plan(&config.rules[rule], &facts), facts, rule })
    };
    let present = present_devices()?;
    let matched = present.iter().filter_map(|present| {
        let device = present.device();
        of_device(device.port_path.name(), config.rule_for(device)?)
    });
    Ok(matched.collect())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn of_what_is_asked_before_there_is_a_device_only_its_absence_is_no_lack() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-rights-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let absent = no_device(0x1209, 0xdead);
        let answers = [absent.clone(), "write access to /sys/x is lacking".to_owned(), absent.clone()];
        let helper = std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().expect("a client");
                BufReader::new(&stream).read_line(&mut String::new()).expect("a line");
                writeln!(&stream, "failed: {answer}").expect("answered");
            }
        });
        let performer = Performer::Helper(socket.clone());
        let request = Request::parse("new-id generic 1209 dead").expect("a request");
        let lacks = |is_of_device| {
            let asked = Asked { rule: 0, request: request.clone(), is_of_device };
            let rights = rights(&performer, std::iter::once(asked), PATIENCE).expect("answers");
            rights.lacks.into_iter().map(|lack| lack.why).collect::<Vec<_>>()
        };
        let [before, without_right, gone] = [false, false, true].map(lacks);
        helper.join().expect("no panic");
        std::fs::remove_file(socket).expect("removed");
        assert_eq!(before, [""; 0]);
        assert_eq!(without_right, ["write access to /sys/x is lacking"]);
        assert_eq!(gone, [absent]);
    }
}
