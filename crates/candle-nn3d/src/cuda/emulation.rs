//! The host in a GPU's place, for tests: the kernels' own sources as C++, behind the same host code.
#![expect(unsafe_code, reason = "calls the compiled kernels, which read and write by address")]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use candle_core::Result;

use super::launch::{Argument, Blocks};
use super::machine::{Machine, Slice, Stored};
use super::source::{PRELUDE, Source};
use crate::error::Error;

/// Runs kernels on the host. `reversed` takes blocks and threads from the last to the first: a
/// result that depends on their order is a race.
#[derive(Debug)]
pub(crate) struct Emulation {
    reversed: bool,
}

/// Numbers with a margin at both ends that no kernel may touch.
#[derive(Debug)]
pub(crate) struct Guarded<T: Stored> {
    bytes: Vec<u64>,
    len: usize,
    of: std::marker::PhantomData<T>,
}

/// Eight-byte words of a margin, and what they hold.
const MARGIN: usize = 32;
const UNTOUCHED: u64 = 0xA5A5_A5A5_A5A5_A5A5;
/// Unwritten numbers are not a number: a kernel that leaves one out is seen.
const UNWRITTEN: u64 = u64::MAX;

impl<T: Stored> Guarded<T> {
    fn unwritten(len: usize) -> Self {
        let words = (len * size_of::<T>()).div_ceil(8);
        let mut bytes = vec![UNTOUCHED; words + 2 * MARGIN];
        bytes[MARGIN..MARGIN + words].fill(UNWRITTEN);
        Self { bytes, len, of: std::marker::PhantomData }
    }

    pub(crate) fn new(numbers: &[T]) -> Self {
        let mut array = Self::unwritten(numbers.len());
        array.numbers_mut().copy_from_slice(numbers);
        array
    }

    /// What it holds now.
    pub(crate) fn numbers(&self) -> &[T] {
        let start = self.bytes[MARGIN..].as_ptr().cast();
        // SAFETY: `len` numbers fit between the margins; words are aligned for every type stored,
        // and all of them are numbers whatever their bits.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }

    pub(crate) fn numbers_mut(&mut self) -> &mut [T] {
        let start = self.bytes[MARGIN..].as_mut_ptr().cast();
        // SAFETY: as in `numbers`.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }

    /// The whole, to be read by a kernel.
    pub(crate) fn slice(&self) -> Slice<'_, Emulation, T> {
        Slice::whole(self)
    }
}

impl<'a, T: Stored> Slice<'a, Emulation, T> {
    /// What it holds.
    pub(crate) fn numbers(&self) -> &'a [T] {
        let (array, range) = self.parts();
        &array.numbers()[range]
    }
}

impl<T: Stored> Drop for Guarded<T> {
    fn drop(&mut self) {
        let (before, rest) = self.bytes.split_at(MARGIN);
        let after = &rest[rest.len() - MARGIN..];
        let touched = before.iter().chain(after).any(|&word| word != UNTOUCHED);
        if touched && !std::thread::panicking() {
            panic!("a kernel wrote outside of an array of {} numbers", self.len);
        }
    }
}

impl Emulation {
    /// What `test` gives, which must be the same bits for both orders of blocks and threads.
    pub(crate) fn both_orders<T: Stored + std::fmt::Debug>(
        test: impl Fn(&Self) -> Result<Guarded<T>>,
    ) -> Vec<T> {
        let [a, b] = [false, true].map(|reversed| test(&Self { reversed }).unwrap());
        assert_eq!(bits(a.numbers()), bits(b.numbers()), "the order of threads shows");
        a.numbers().to_vec()
    }

    pub(crate) fn forwards() -> Self {
        Self { reversed: false }
    }
}

fn bits<T: Stored>(numbers: &[T]) -> &[u8] {
    // SAFETY: the bytes of plain numbers.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

impl Machine for Emulation {
    type Array<T: Stored> = Guarded<T>;
    type Guard<'a> = ();

    fn unwritten<T: Stored>(&self, n: usize) -> Result<Guarded<T>> {
        Ok(Guarded::unwritten(n))
    }

    fn holding<T: Stored>(&self, numbers: &[T]) -> Result<Guarded<T>> {
        Ok(Guarded::new(numbers))
    }

    fn len<T: Stored>(array: &Guarded<T>) -> usize {
        array.len
    }

    fn address<'a, T: Stored>(&'a self, array: &'a Guarded<T>) -> (u64, ()) {
        (array.numbers().as_ptr() as u64, ())
    }

    fn address_mut<'a, T: Stored>(&'a self, array: &'a mut Guarded<T>) -> (u64, ()) {
        (array.numbers_mut().as_mut_ptr() as u64, ())
    }

    fn run(
        &self,
        source: &'static Source,
        kernel: &str,
        blocks: Blocks,
        arguments: &[Argument],
    ) -> Result<()> {
        let kinds: Vec<c_int> = arguments.iter().map(kind).collect();
        let mut places: Vec<*mut c_void> = arguments.iter().map(place).collect();
        let [x, y] = blocks.grid;
        let entry = entry(source, kernel);
        // SAFETY: the entry was generated for this kernel; it checks the number and the kinds of the
        // arguments, and `Launch` has checked the arrays.
        let outcome = unsafe {
            entry(
                x,
                y,
                blocks.threads,
                c_int::from(self.reversed),
                kinds.len() as c_int,
                kinds.as_ptr(),
                places.as_mut_ptr(),
            )
        };
        let problem = match outcome {
            0 => return Ok(()),
            1 => format!("{arguments:?} are not the arguments it takes"),
            _ => "a barrier is not reached by all threads".to_owned(),
        };
        Err(Error::gpu(kernel, problem, "mend the kernel").into())
    }
}

fn kind(argument: &Argument) -> c_int {
    match argument {
        Argument::U64(_) => 0,
        Argument::U32(_) => 1,
        Argument::F32(_) => 2,
        Argument::F64(_) => 3,
    }
}

fn place(argument: &Argument) -> *mut c_void {
    match argument {
        Argument::U64(x) => std::ptr::from_ref(x).cast_mut().cast(),
        Argument::U32(x) => std::ptr::from_ref(x).cast_mut().cast(),
        Argument::F32(x) => std::ptr::from_ref(x).cast_mut().cast(),
        Argument::F64(x) => std::ptr::from_ref(x).cast_mut().cast(),
    }
}

type Entry = unsafe extern "C" fn(
    c_uint,
    c_uint,
    c_uint,
    c_int,
    c_int,
    *const c_int,
    *mut *mut c_void,
) -> c_int;

/// Compiled sources by name: handles of `dlopen`, which are never closed.
static LIBRARIES: Mutex<Option<HashMap<&'static str, usize>>> = Mutex::new(None);

fn entry(source: &'static Source, kernel: &str) -> Entry {
    let library = {
        let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
        *libraries.get_or_insert_default().entry(source.name).or_insert_with(|| build(source))
    };
    let symbol = CString::new(format!("run_{kernel}")).unwrap();
    // SAFETY: a handle of dlopen and a string that ends; what is found is a function of this type.
    unsafe {
        let address = libc::dlsym(library as *mut c_void, symbol.as_ptr());
        assert!(!address.is_null(), "{}.cu has no kernel {kernel}", source.name);
        std::mem::transmute::<*mut c_void, Entry>(address)
    }
}

/// Compiles a source for the host, with an entry for each of its kernels.
fn build(source: &'static Source) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let [given, expanded, library] =
        ["given.cpp", "expanded.cpp", "kernels.so"].map(|name| folder.path().join(name));
    let text = format!("{}\n{PRELUDE}\n#line 1 \"{}.cu\"\n{}", SHIM, source.name, source.text);
    std::fs::write(&given, text).unwrap();
    let (given, library) = (given.to_str().unwrap(), library.to_str().unwrap());
    let expanded = expanded.to_str().unwrap();
    compiler(&["-E", given, "-o", expanded]);
    let mut text = std::fs::read_to_string(expanded).unwrap();
    let names: Vec<_> = kernels(&text).map(str::to_owned).collect();
    for name in names {
        text += &format!(
            "\nextern \"C\" int run_{name}(unsigned x, unsigned y, unsigned threads, int reversed, \
             int count, const int *kinds, void **arguments) {{ \
             return machine::run(&{name}, x, y, threads, reversed, count, kinds, arguments); }}"
        );
    }
    std::fs::write(expanded, text).unwrap();
    // Fused where the source allows: never here, since the host's bits are what tests compare with.
    let options = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w"];
    compiler(&[&options[..], &[expanded, "-o", library]].concat());
    let path = CString::new(library).unwrap();
    // SAFETY: a library of ours, which does nothing when it is loaded.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "{}", last_problem());
    handle as usize
}

const SHIM: &str = include_str!("emulation/shim.h");

/// The names of what is declared as `extern "C" void NAME(` once macros are expanded.
fn kernels(expanded: &str) -> impl Iterator<Item = &str> {
    expanded.split("extern \"C\"").skip(1).filter_map(|text| {
        let text = text.trim_start().strip_prefix("void")?.trim_start();
        text.split('(').next().map(str::trim_end)
    })
}

fn compiler(arguments: &[&str]) {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let output = Command::new(&compiler).arg("-std=c++17").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need {compiler}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn last_problem() -> String {
    // SAFETY: after a failure dlerror gives a string that ends.
    unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
