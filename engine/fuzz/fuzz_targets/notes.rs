#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vecdelta_fuzz::notes(data));
