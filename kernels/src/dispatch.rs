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

pub(crate) use dispatch;
