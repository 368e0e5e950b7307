//! Which instructions to use.

/// Returns from the calling function with what the kernel of the best instructions this machine
/// has returns; the choice is cached by the standard library and costs one load.
macro_rules! dispatch {
    ($kernel:ident ($($argument:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = $crate::avx2::Avx2::detect() {
            return avx2.$kernel($($argument),*);
        }
        $crate::portable::$kernel($($argument),*)
    }};
}

/// The same for a kernel that also has a form in AVX-512.
macro_rules! dispatch_512 {
    ($kernel:ident ($($argument:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = $crate::avx512::Avx512::detect() {
            return avx512.$kernel($($argument),*);
        }
        $crate::dispatch::dispatch!($kernel($($argument),*))
    }};
}

pub(crate) use {dispatch, dispatch_512};
