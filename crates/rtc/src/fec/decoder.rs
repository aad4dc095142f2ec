//! The receiving end: remembers what came and restores what did not.
//!
//! Every parity packet is an equation in the packets it covers. What is known is put in, the rest is solved by elimination,
//! over as many overlapping parity packets as there are.

use std::collections::BTreeMap;

use super::field::{add_scaled, invert, multiply};
use super::packet::{MAX_COVERED, ParityPacket, Protected, coefficient};

/// Packets kept to be put into equations, about 300 kB. When full, the oldest are forgotten, and so are equations with them.
const MAX_KEPT: i64 = 2 * MAX_COVERED as i64;
/// Equations kept. When full, the oldest is dropped.
const MAX_EQUATIONS: usize = 64;

#[derive(Debug)]
struct Equation {
    /// Extended sequence number of the first packet.
    base: i64,
    packet: ParityPacket,
}

impl Equation {
    fn covered(&self) -> std::ops::Range<i64> {
        self.base..self.base + i64::from(self.packet.count)
    }

    fn coefficient(&self, sequence: i64) -> u8 {
        coefficient(self.packet.row, crate::sequence::wire(sequence))
    }
}

/// See the module. Sequence numbers are extended ones.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    known: BTreeMap<i64, Protected>,
    equations: Vec<Equation>,
}

impl Decoder {
    /// A video packet came, or was restored.
    pub(crate) fn add_packet(&mut self, sequence: i64, packet: Protected) {
        self.known.insert(sequence, packet);
        let newest = self.known.last_key_value().map_or(sequence, |(newest, _)| *newest);
        if self.known.first_key_value().is_some_and(|(oldest, _)| *oldest <= newest - MAX_KEPT) {
            self.known = self.known.split_off(&(newest - MAX_KEPT + 1));
            self.equations.retain(|equation| equation.base > newest - MAX_KEPT);
        }
    }

    /// A parity packet came whose first packet has the extended number `base`.
    pub(crate) fn add_parity(&mut self, base: i64, packet: ParityPacket) {
        if self.equations.len() >= MAX_EQUATIONS {
            self.equations.remove(0);
        }
        let again = self.equations.iter().any(|known| known.base == base && known.packet.row == packet.row);
        if !again {
            self.equations.push(Equation { base, packet });
        }
    }

    /// Forgets what speaks of nothing from `first` on: earlier packets are not wanted any more.
    pub(crate) fn forget_before(&mut self, first: i64) {
        self.equations.retain(|equation| equation.covered().end > first);
    }

    /// Forgets everything: another stream begins.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.equations.clear();
    }

    /// How many of the packets before `end` that equations speak of would have to come so that the rest can be restored.
    pub(crate) fn deficit(&self, end: i64) -> usize {
        let equations: Vec<&Equation> =
            self.equations.iter().filter(|equation| equation.covered().end <= end).collect();
        let mut unknown: Vec<i64> = equations.iter().flat_map(|equation| self.unknown(equation)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.len().saturating_sub(equations.len())
    }

    /// What can be restored now, in order. It is known from here on.
    pub(crate) fn restore(&mut self) -> Vec<(i64, Protected)> {
        let unknown: Vec<Vec<i64>> = self.equations.iter().map(|equation| self.unknown(equation).collect()).collect();
        let mut open = unknown.iter();
        self.equations.retain(|_| open.next().is_some_and(|unknown| !unknown.is_empty()));
        let mut columns: Vec<i64> = unknown.into_iter().flatten().collect();
        columns.sort_unstable();
        columns.dedup();
        if self.equations.is_empty() {
            return Vec::new();
        }
        let rows = self.eliminate(&columns);
        let solved: Vec<_> = rows.iter().filter_map(|row| row.only_unknown().map(|only| (row, only))).collect();
        let used = solved.iter().flat_map(|(row, _)| row.used());
        let mut remainders = BTreeMap::new();
        used.for_each(|n| {
            remainders.entry(n).or_insert_with(|| self.remainder(n));
        });
        let mut restored = Vec::new();
        let mut useless = Vec::new();
        for (row, (column, factor)) in solved {
            match solution(row, factor, &remainders) {
                Some(packet) => restored.push((columns[column], packet)),
                // Somebody's parity is not of this stream.
                None => useless.extend(row.used()),
            }
        }
        useless.sort_unstable();
        useless.dedup();
        for index in useless.into_iter().rev() {
            self.equations.remove(index);
        }
        restored.sort_unstable_by_key(|(sequence, _)| *sequence);
        for (sequence, packet) in &restored {
            self.add_packet(*sequence, packet.clone());
        }
        restored
    }

    fn unknown<'a>(&'a self, equation: &'a Equation) -> impl Iterator<Item = i64> + 'a {
        equation.covered().filter(|sequence| !self.known.contains_key(sequence))
    }

    /// The equations brought into reduced row echelon form, by coefficients alone.
    fn eliminate(&self, columns: &[i64]) -> Vec<Row> {
        let count = self.equations.len();
        let mut rows: Vec<Row> = (0..count)
            .map(|n| {
                let equation = &self.equations[n];
                let covered = equation.covered();
                let factor =
                    |sequence: &i64| if covered.contains(sequence) { equation.coefficient(*sequence) } else { 0 };
                let mut parts = vec![0; count];
                parts[n] = 1;
                Row { unknowns: columns.iter().map(factor).collect(), parts }
            })
            .collect();
        let mut done = 0;
        for column in 0..columns.len() {
            let Some(pivot) = (done..count).find(|n| rows[*n].unknowns[column] != 0) else { continue };
            rows.swap(done, pivot);
            let inverse = invert(rows[done].unknowns[column]);
            rows[done].scale(inverse);
            let pivot = rows[done].clone();
            for (n, row) in rows.iter_mut().enumerate() {
                if n != done && row.unknowns[column] != 0 {
                    let factor = row.unknowns[column];
                    row.add(&pivot, factor);
                }
            }
            done += 1;
            if done == count {
                break;
            }
        }
        rows
    }

    /// What remains of equation `n` when all that is known is taken out of it.
    fn remainder(&self, n: usize) -> Vec<u8> {
        let equation = &self.equations[n];
        let known = || self.known.range(equation.covered());
        let longest = known().map(|(_, packet)| packet.symbol_len()).max().unwrap_or(0);
        let mut sum = equation.packet.symbol.to_vec();
        sum.resize(longest.max(sum.len()), 0);
        for (sequence, packet) in known() {
            packet.add_to(&mut sum, equation.coefficient(*sequence));
        }
        sum
    }
}

/// The one unknown of `row`, which counts `factor` times in it.
fn solution(row: &Row, factor: u8, remainders: &BTreeMap<usize, Vec<u8>>) -> Option<Protected> {
    let parts = || row.used().filter_map(|n| Some((row.parts[n], remainders.get(&n)?)));
    let mut symbol = vec![0; parts().map(|(_, remainder)| remainder.len()).max()?];
    for (part, remainder) in parts() {
        add_scaled(&mut symbol, remainder, multiply(part, invert(factor)));
    }
    Protected::from_symbol(&symbol)
}

/// A sum of equations: how often each unknown and each equation is in it.
#[derive(Clone, Debug)]
struct Row {
    unknowns: Vec<u8>,
    parts: Vec<u8>,
}

impl Row {
    fn scale(&mut self, factor: u8) {
        for value in self.unknowns.iter_mut().chain(&mut self.parts) {
            *value = multiply(*value, factor);
        }
    }

    fn add(&mut self, other: &Self, factor: u8) {
        add_scaled(&mut self.unknowns, &other.unknowns, factor);
        add_scaled(&mut self.parts, &other.parts, factor);
    }

    /// Where the only unknown stands, and how often it counts; `None` unless there is exactly one.
    fn only_unknown(&self) -> Option<(usize, u8)> {
        let mut unknowns = self.unknowns.iter().enumerate().filter(|(_, factor)| **factor != 0);
        let (column, factor) = unknowns.next()?;
        unknowns.next().is_none().then_some((column, *factor))
    }

    fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().enumerate().filter(|(_, part)| **part != 0).map(|(n, _)| n)
    }
}
