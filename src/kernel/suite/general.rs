//! Flush, statistics and time-outs.

use super::*;

pub(crate) fn flush_removes_every_service(ipvs: &mut dyn Ipvs) {
    ipvs.flush().unwrap();
    let adds = (0..3).map(|number| Operation::AddService(numbered(number), service("rr")));
    succeed(ipvs, adds.collect());
    ipvs.flush().unwrap();
    assert!(table(ipvs).is_empty());
}

pub(crate) fn zero_wants_an_existing_service(ipvs: &mut dyn Ipvs) {
    let here = mark(Family::V6, 9);
    ipvs.zero(None).unwrap();
    succeed(ipvs, vec![Operation::AddService(here, service("rr"))]);
    ipvs.zero(Some(&here)).unwrap();
    for gone in [
        tcp("192.0.2.1", 80),
        mark(Family::V4, 9),
        mark(Family::V4, 0),
    ] {
        let error = ipvs.zero(Some(&gone)).unwrap_err();
        assert_eq!(error.class(), Class::AbsentService, "{error}");
    }
}

pub(crate) fn time_outs_of_zero_are_kept(ipvs: &mut dyn Ipvs) {
    let set = |tcp, tcp_fin, udp| Timeouts { tcp, tcp_fin, udp };
    assert_eq!(ipvs.timeouts().unwrap(), set(900, 120, 300));
    ipvs.set_timeouts(&set(0, 77, 0)).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), set(900, 77, 300));
    ipvs.set_timeouts(&set(2_678_400, 1, 2)).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), set(2_678_400, 1, 2));
    for too_large in [
        set(2_147_483_647, 5, 5),
        set(5, u32::MAX, 5),
        set(5, 5, 0x8000_0000),
    ] {
        let error = ipvs.set_timeouts(&too_large).unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
    assert_eq!(ipvs.timeouts().unwrap(), set(2_678_400, 1, 2));
}
