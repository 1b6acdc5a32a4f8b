//! What the simulator reads in an advert by itself, from the table of offsets in
//! `src/failover/advert/mod.rs`: enough to know what a node says, without asking the code
//! under test.

/// The fixed fields that matter here.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Life of the sender.
    pub incarnation: [u8; 16],
    /// Sequence.
    pub sequence: u64,
    /// Life of the receiver that the sender has heard.
    pub echo: [u8; 16],
    /// Highest sequence that it has heard.
    pub echoed: u64,
    /// How long the sender waits for the receiver, in microseconds.
    pub dead_after: u32,
}

/// What is said about an instance.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Short form of its name.
    pub instance: u32,
    /// Epoch.
    pub epoch: u64,
    /// Code of the state.
    pub state: u8,
    /// Bits in the order of the fields of `Flags`.
    pub flags: u16,
}

/// Code of `Active`.
pub const ACTIVE: u8 = 6;
/// Code of `Blocked`.
pub const BLOCKED: u8 = 9;

impl Record {
    /// The node may serve.
    pub fn eligible(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Nothing is to move.
    pub fn frozen(&self) -> bool {
        self.flags & 1 << 2 != 0
    }

    /// The addresses of the epoch are gone.
    pub fn released(&self) -> bool {
        self.flags & 1 << 6 != 0
    }
}

/// The head of a packet that the state machine has written.
pub fn head(bytes: &[u8]) -> Option<Head> {
    Some(Head {
        incarnation: array(bytes, 20)?,
        sequence: u64::from_be_bytes(array(bytes, 36)?),
        echo: array(bytes, 44)?,
        echoed: u64::from_be_bytes(array(bytes, 60)?),
        dead_after: u32::from_be_bytes(array(bytes, 73)?),
    })
}

/// Its records.
pub fn records(bytes: &[u8]) -> Vec<Record> {
    let count = |at: usize| bytes.get(at).copied().map_or(0, usize::from);
    let (macs, records, length) = (count(88), count(89), count(90));
    let record = |index: usize| {
        let at = 91 + macs * 6 + index * length;
        Some(Record {
            instance: u32::from_be_bytes(array(bytes, at)?),
            epoch: u64::from_be_bytes(array(bytes, at + 4)?),
            state: *bytes.get(at + 12)?,
            flags: u16::from_be_bytes(array(bytes, at + 14)?),
        })
    };
    (0..records).filter_map(record).collect()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
