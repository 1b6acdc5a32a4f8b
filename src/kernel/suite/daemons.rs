//! Sync daemons.

use super::*;

pub(crate) fn sync_daemons_start_with_the_defaults_filled_in(ipvs: &mut dyn Ipvs) {
    assert_eq!(ipvs.daemons().unwrap(), []);
    ipvs.start_daemon(&daemon(SyncRole::Backup)).unwrap();
    ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap();
    let expected = |role, max_length| SyncDaemon {
        max_length,
        group: Some("224.0.0.81".parse().unwrap()),
        port: 8848,
        ttl: 1,
        ..daemon(role)
    };
    let master = expected(SyncRole::Master, 1472);
    let backup = expected(SyncRole::Backup, 65507);
    assert_eq!(ipvs.daemons().unwrap(), [master, backup.clone()]);
    ipvs.stop_daemon(SyncRole::Master).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), [backup]);
    ipvs.stop_daemon(SyncRole::Backup).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), []);
}

pub(crate) fn sync_daemons_start_with_every_option(ipvs: &mut dyn Ipvs) {
    let backup = SyncDaemon {
        sync_id: 255,
        max_length: 2000,
        group: Some("ff05::51".parse().unwrap()),
        port: 8849,
        ttl: 3,
        ..daemon(SyncRole::Backup)
    };
    let small = SyncDaemon {
        max_length: 100,
        group: Some("239.1.2.3".parse().unwrap()),
        ..backup.clone()
    };
    ipvs.start_daemon(&backup).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), [backup]);
    ipvs.stop_daemon(SyncRole::Backup).unwrap();
    ipvs.start_daemon(&small).unwrap();
    assert_eq!(
        ipvs.daemons().unwrap(),
        [SyncDaemon {
            max_length: 1024,
            ..small
        }]
    );
}

pub(crate) fn sync_daemons_are_refused_as_linux_refuses_them(ipvs: &mut dyn Ipvs) {
    let master = daemon(SyncRole::Master);
    let on = |interface: &str| SyncDaemon {
        interface: interface.to_owned(),
        ..daemon(SyncRole::Master)
    };
    let unicast = SyncDaemon {
        group: Some("192.0.2.1".parse().unwrap()),
        ..on("nosuch0")
    };
    for (wanted, errno) in [
        (on("nosuch0"), Errno::ENODEV),
        (on(""), Errno::ENODEV),
        (on("sixteen--letters"), Errno::EINVAL),
        (unicast, Errno::EINVAL),
    ] {
        let error = ipvs.start_daemon(&wanted).unwrap_err();
        assert_eq!(error.errno(), Some(errno), "{wanted:?}");
    }
    ipvs.start_daemon(&master).unwrap();
    assert_eq!(
        ipvs.start_daemon(&master).unwrap_err().class(),
        Class::Exists
    );
    let elsewhere = ipvs.start_daemon(&on("nosuch0")).unwrap_err();
    assert_eq!(elsewhere.errno(), Some(Errno::ENODEV));
    let error = ipvs.stop_daemon(SyncRole::Backup).unwrap_err();
    assert_eq!(error.class(), Class::AbsentDaemon);
}

pub(crate) fn a_sync_daemon_and_mixed_families_exclude_each_other(ipvs: &mut dyn Ipvs) {
    let key = tcp("2001:db8::1", 80);
    let crossing = destination("198.51.100.1", 80, Forwarding::Tunnel(Tunnel::Ipip), 1);
    let add = Operation::AddDestination(key, crossing);
    succeed(
        ipvs,
        vec![Operation::AddService(key, service("rr")), add.clone()],
    );
    let error = ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    succeed(ipvs, vec![Operation::DeleteDestination(key, crossing.key)]);
    ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap();
    refuse(ipvs, add.clone(), Errno::EINVAL);
    refuse(
        ipvs,
        Operation::SetDestination(key, crossing),
        Errno::EINVAL,
    );
    refuse(
        ipvs,
        Operation::DeleteDestination(key, crossing.key),
        Errno::ENOENT,
    );
    ipvs.stop_daemon(SyncRole::Master).unwrap();
    succeed(ipvs, vec![add]);
}

pub(crate) fn a_sync_daemon_stopped_right_after_its_start_does_not_hang(ipvs: &mut dyn Ipvs) {
    for _ in 0..20 {
        for role in [SyncRole::Master, SyncRole::Backup] {
            ipvs.start_daemon(&daemon(role)).unwrap();
            ipvs.stop_daemon(role).unwrap();
        }
    }
    assert_eq!(ipvs.daemons().unwrap(), []);
}

fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: "lo".to_owned(),
        sync_id: 5,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    }
}
