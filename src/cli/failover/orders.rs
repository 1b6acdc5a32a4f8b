//! Orders: given, and waited for.

use std::time::{Duration, Instant};

use super::super::commands::{complain, print_out};
use super::super::exit::Exit;
use super::{Scope, plain};
use crate::control::{Client, ClientError};
use crate::director::pair::order::{Order, Verb};
use crate::director::pair::status::{InstanceStatus, PairStatus};

/// Time between two looks meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// Gives an order and prints the answer.
pub(super) async fn give(client: &Client, order: &Order) -> anyhow::Result<Exit> {
    let done = client.order(order).await?;
    // A line for each instance.
    let lines = done.lines().map(|line| format!("{}\n", plain(line)));
    print_out(&lines.collect::<String>())?;
    Ok(Exit::Success)
}

/// `standby`: done when the node serves nothing of what was named.
pub(super) async fn standby(scope: &Scope, on: bool, limit: Duration) -> anyhow::Result<Exit> {
    let order = Order {
        on: Some(on),
        ..scope.order(Verb::Standby)
    };
    if !on {
        return give(&scope.client(), &order).await;
    }
    let is_done = |one: &InstanceStatus| {
        !matches!(
            one.state.as_str(),
            "active" | "acquire" | "probe" | "release" | "blocked"
        )
    };
    give_and_wait(scope, &order, limit, (&is_done, "is still not given up")).await
}

/// `takeover`: done when the node serves all of what was named.
pub(super) async fn takeover(scope: &Scope, limit: Duration) -> anyhow::Result<Exit> {
    let order = scope.order(Verb::Takeover);
    let is_done = |one: &InstanceStatus| one.state == "active";
    give_and_wait(scope, &order, limit, (&is_done, "is still not served here")).await
}

async fn give_and_wait(
    scope: &Scope,
    order: &Order,
    limit: Duration,
    (is_done, otherwise): (&dyn Fn(&InstanceStatus) -> bool, &str),
) -> anyhow::Result<Exit> {
    let client = scope.client();
    give(&client, order).await?;
    let waits = |pair: &PairStatus| {
        let named = scope.instance.as_deref();
        let mut wanted = pair
            .instances
            .iter()
            .filter(|one| named.is_none_or(|n| n == one.name));
        wanted.find(|one| !is_done(one)).cloned()
    };
    let is_over = |pair: &PairStatus| waits(pair).is_none_or(|one| cannot_leave(pair, &one));
    let last = watch(&client, limit, is_over).await?;
    let Some(instance) = waits(&last.pair) else {
        return Ok(Exit::Success);
    };
    if last.reached {
        // The answer has said so.
        return Ok(Exit::Failure);
    }
    let limit = limit.as_secs();
    let reason = instance.reason.as_deref().unwrap_or("no reason");
    complain(&plain(&format!(
        "directord: {} {otherwise} after {limit} s: {} here, {reason}; see `directord failover \
         explain {}`",
        instance.name, instance.state, instance.name
    )));
    Ok(Exit::Failure)
}

/// Whether an instance stays here for want of a peer that could serve it.
fn cannot_leave(pair: &PairStatus, instance: &InstanceStatus) -> bool {
    let other = instance.peer.as_ref().filter(|_| pair.peer.alive);
    instance.state == "active"
        && instance.admin_standby
        && !other.is_some_and(|other| other.eligible)
}

/// What was seen last, and when.
pub(super) struct Seen {
    pub(super) pair: PairStatus,
    pub(super) at: Instant,
    /// Whether it is what was waited for.
    pub(super) reached: bool,
}

/// Looks again and again, until the pair is as wanted or the limit has passed.
pub(super) async fn watch(
    client: &Client,
    limit: Duration,
    mut is_wanted: impl FnMut(&PairStatus) -> bool,
) -> Result<Seen, ClientError> {
    let deadline = Instant::now() + limit;
    loop {
        let pair = client.pair().await?;
        let at = Instant::now();
        let reached = is_wanted(&pair);
        if reached || at >= deadline {
            return Ok(Seen { pair, at, reached });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The instances that a command line names: one, or all.
pub(super) fn chosen<'a>(
    pair: &'a PairStatus,
    name: Option<&str>,
) -> anyhow::Result<Vec<&'a InstanceStatus>> {
    let all = &pair.instances;
    let Some(name) = name else {
        return Ok(all.iter().collect());
    };
    let Some(one) = all.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let there = names.join(", ");
        anyhow::bail!("there is no instance {}; there are: {there}", plain(name));
    };
    Ok(vec![one])
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn an_instance_stays_while_nobody_else_can_serve_it() {
        let stays = |change: fn(&mut PairStatus)| {
            let mut pair = sample::active();
            pair.instances[0].admin_standby = true;
            change(&mut pair);
            cannot_leave(&pair, &pair.instances[0])
        };
        assert!(!stays(|_| ()));
        assert!(stays(|pair| pair.peer.alive = false));
        assert!(stays(|pair| pair.instances[0].peer = None));
        assert!(stays(|pair| {
            pair.instances[0].peer.as_mut().unwrap().eligible = false;
        }));
        // A takeover is waited for.
        assert!(!stays(|pair| {
            pair.peer.alive = false;
            pair.instances[0].state = "probe".to_owned();
        }));
    }

    #[test]
    fn an_instance_is_chosen_by_name_or_all_are() {
        let mut pair = sample::active();
        let mut mail = pair.instances[0].clone();
        mail.name = "mail".to_owned();
        pair.instances.push(mail);
        let names = |chosen: Vec<&InstanceStatus>| -> Vec<String> {
            chosen.iter().map(|one| one.name.clone()).collect()
        };
        assert_eq!(names(chosen(&pair, None).unwrap()), ["web", "mail"]);
        assert_eq!(names(chosen(&pair, Some("mail")).unwrap()), ["mail"]);
        let error = chosen(&pair, Some("ftp")).unwrap_err().to_string();
        assert_eq!(error, "there is no instance ftp; there are: web, mail");
    }
}
