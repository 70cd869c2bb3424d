//! A program of the kernel's filters, written an instruction at a time. Jumps go forwards only, and conditional ones not far.

use rustix::io::Errno;

/// Lets the whole message through.
const WHOLE: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// Codes of instructions have sixteen bits; the C library's headers give their parts as wider numbers.
#[expect(clippy::cast_possible_truncation, reason = "the parts are bits of the lowest byte")]
const fn code(parts: u32) -> u16 {
    parts as u16
}

const LOAD_WORD_AT: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
const LOAD_WORD_FROM_INDEX: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_IND);
const LOAD_BYTE_FROM_INDEX: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_IND);
const LOAD_NUMBER: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_IMM);
const SET_INDEX: u16 = code(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM);
const KEEP_AS_INDEX: u16 = code(libc::BPF_MISC | libc::BPF_TAX);
const TAKE_INDEX: u16 = code(libc::BPF_MISC | libc::BPF_TXA);
const ADD_INDEX: u16 = code(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X);
const SUBTRACT: u16 = code(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K);
const AND: u16 = code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K);
const SHIFT_LEFT: u16 = code(libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K);
const IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
const IF_ANY_BIT: u16 = code(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K);
const GO_ON: u16 = code(libc::BPF_JMP | libc::BPF_JA);
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

/// Four bytes as a load gives them.
pub(super) const fn word(text: [u8; 4]) -> u32 {
    u32::from_be_bytes(text)
}

/// Loads beyond a message's end let nothing through.
#[derive(Default)]
pub(super) struct Program(Vec<libc::sock_filter>);

/// A jump whose goal is not known yet.
#[must_use]
pub(super) struct Jump(usize);

impl Program {
    pub(super) fn load_word(&mut self, place: u32) {
        self.push(LOAD_WORD_AT, place);
    }

    pub(super) fn load_word_from_index(&mut self, offset: u32) {
        self.push(LOAD_WORD_FROM_INDEX, offset);
    }

    pub(super) fn load_byte_from_index(&mut self, offset: u32) {
        self.push(LOAD_BYTE_FROM_INDEX, offset);
    }

    pub(super) fn load_number(&mut self, number: u32) {
        self.push(LOAD_NUMBER, number);
    }

    pub(super) fn set_index(&mut self, number: u32) {
        self.push(SET_INDEX, number);
    }

    pub(super) fn keep_as_index(&mut self) {
        self.push(KEEP_AS_INDEX, 0);
    }

    pub(super) fn take_index(&mut self) {
        self.push(TAKE_INDEX, 0);
    }

    pub(super) fn add_index(&mut self) {
        self.push(ADD_INDEX, 0);
    }

    pub(super) fn subtract(&mut self, number: u32) {
        self.push(SUBTRACT, number);
    }

    pub(super) fn and(&mut self, bits: u32) {
        self.push(AND, bits);
    }

    pub(super) fn double(&mut self) {
        self.push(SHIFT_LEFT, 1);
    }

    pub(super) fn let_through(&mut self) {
        self.push(RETURN, WHOLE);
    }

    pub(super) fn keep_back(&mut self) {
        self.push(RETURN, NOTHING);
    }

    /// What `then` pushes is done only where what was loaded is `expected`.
    pub(super) fn if_equal<T>(&mut self, expected: u32, then: impl FnOnce(&mut Self) -> T) -> T {
        self.only(IF_EQUAL, expected, then, |jump| &mut jump.jf)
    }

    /// What `then` pushes is done only where what was loaded is not `expected`.
    pub(super) fn unless_equal<T>(&mut self, expected: u32, then: impl FnOnce(&mut Self) -> T) -> T {
        self.only(IF_EQUAL, expected, then, |jump| &mut jump.jt)
    }

    /// What `then` pushes is done only where one of these bits is set.
    pub(super) fn if_any_bit<T>(&mut self, bits: u32, then: impl FnOnce(&mut Self) -> T) -> T {
        self.only(IF_ANY_BIT, bits, then, |jump| &mut jump.jf)
    }

    pub(super) fn jump(&mut self) -> Jump {
        self.push(GO_ON, 0);
        Jump(self.0.len() - 1)
    }

    /// Has these jumps end here.
    pub(super) fn land(&mut self, jumps: impl IntoIterator<Item = Jump>) {
        for Jump(at) in jumps {
            self.0[at].k = u32::try_from(self.0.len() - at - 1).unwrap_or(u32::MAX);
        }
    }

    /// As `SO_ATTACH_FILTER` takes it.
    pub(super) fn as_fprog(&mut self) -> Result<libc::sock_fprog, Errno> {
        let len = u16::try_from(self.0.len()).map_err(|_| Errno::INVAL)?;
        Ok(libc::sock_fprog { len, filter: self.0.as_mut_ptr() })
    }

    /// `otherwise`: the side of the jump that goes past what `then` pushes.
    fn only<T>(
        &mut self,
        code: u16,
        k: u32,
        then: impl FnOnce(&mut Self) -> T,
        otherwise: impl FnOnce(&mut libc::sock_filter) -> &mut u8,
    ) -> T {
        let at = self.0.len();
        self.push(code, k);
        let result = then(self);
        // What is pushed in one go is short; where it is not, the kernel refuses the program, as a test would find.
        *otherwise(&mut self.0[at]) = u8::try_from(self.0.len() - at - 1).unwrap_or(u8::MAX);
        result
    }

    fn push(&mut self, code: u16, k: u32) {
        self.0.push(libc::sock_filter { code, jt: 0, jf: 0, k });
    }
}
