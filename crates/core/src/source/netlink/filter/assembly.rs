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
const LOAD_LENGTH: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN);
const REMEMBER: u16 = code(libc::BPF_ST);
const SET_INDEX_TO_REMEMBERED: u16 = code(libc::BPF_LDX | libc::BPF_W | libc::BPF_MEM);
const SET_INDEX: u16 = code(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM);
const KEEP_AS_INDEX: u16 = code(libc::BPF_MISC | libc::BPF_TAX);
const TAKE_INDEX: u16 = code(libc::BPF_MISC | libc::BPF_TXA);
const ADD: u16 = code(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K);
const ADD_INDEX: u16 = code(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X);
const SUBTRACT: u16 = code(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K);
const AND: u16 = code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K);
const SHIFT_LEFT: u16 = code(libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K);
const IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
const IF_ANY_BIT: u16 = code(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K);
const IF_INDEX_OR_MORE: u16 = code(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_X);
const GO_ON: u16 = code(libc::BPF_JMP | libc::BPF_JA);
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

/// Four bytes as a load gives them.
pub(super) const fn word(text: [u8; 4]) -> u32 {
    u32::from_be_bytes(text)
}

#[derive(Default)]
pub(super) struct Program {
    instructions: Vec<libc::sock_filter>,
    /// Some jump goes further than its instruction can say.
    goes_too_far: bool,
}

/// A jump whose goal is not known yet.
#[must_use]
pub(super) struct Jump(usize);

/// Loads beyond a message's end let nothing through.
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

    pub(super) fn load_length(&mut self) {
        self.push(LOAD_LENGTH, 0);
    }

    /// In the one place of its memory that is used.
    pub(super) fn remember(&mut self) {
        self.push(REMEMBER, 0);
    }

    pub(super) fn set_index_to_remembered(&mut self) {
        self.push(SET_INDEX_TO_REMEMBERED, 0);
    }

    pub(super) fn add(&mut self, number: u32) {
        self.push(ADD, number);
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

    /// What `then` pushes is done only where what was loaded is less than the index.
    pub(super) fn if_less_than_index<T>(&mut self, then: impl FnOnce(&mut Self) -> T) -> T {
        self.only(IF_INDEX_OR_MORE, 0, then, |jump| &mut jump.jt)
    }

    /// What `then` pushes is done only where one of these bits is set.
    pub(super) fn if_any_bit<T>(&mut self, bits: u32, then: impl FnOnce(&mut Self) -> T) -> T {
        self.only(IF_ANY_BIT, bits, then, |jump| &mut jump.jf)
    }

    pub(super) fn jump(&mut self) -> Jump {
        self.push(GO_ON, 0);
        Jump(self.instructions.len() - 1)
    }

    /// Has these jumps end here.
    pub(super) fn land(&mut self, jumps: impl IntoIterator<Item = Jump>) {
        for Jump(at) in jumps {
            let over = u32::try_from(self.instructions.len() - at - 1);
            self.goes_too_far |= over.is_err();
            self.instructions[at].k = over.unwrap_or_default();
        }
    }

    /// What the kernel is to be given.
    ///
    /// # Errors
    /// `INVAL` where a jump would not end where it is meant to.
    pub(super) fn finished(&mut self) -> Result<&mut [libc::sock_filter], Errno> {
        if self.goes_too_far { Err(Errno::INVAL) } else { Ok(&mut self.instructions) }
    }

    /// `otherwise`: the side of the jump that goes past what `then` pushes.
    fn only<T>(
        &mut self,
        code: u16,
        k: u32,
        then: impl FnOnce(&mut Self) -> T,
        otherwise: impl FnOnce(&mut libc::sock_filter) -> &mut u8,
    ) -> T {
        let at = self.instructions.len();
        self.push(code, k);
        let result = then(self);
        let pushed = u8::try_from(self.instructions.len() - at - 1);
        self.goes_too_far |= pushed.is_err();
        *otherwise(&mut self.instructions[at]) = pushed.unwrap_or_default();
        result
    }

    fn push(&mut self, code: u16, k: u32) {
        self.instructions.push(libc::sock_filter { code, jt: 0, jf: 0, k });
    }
}
