namespace Bitflow.Domain

/// How long to wait before trying the same target again.
[<RequireQualifiedAccess>]
module Backoff =
    /// No wait grows beyond this.
    let cap = Duration.OfSeconds 3_600L

    /// The wait before an attempt (1 is the first, which never waits): `backoff · 2^(attempt-2)`, at most `cap`.
    let before (backoff: Duration) (attempt: int) : Duration =
        if attempt < 2 || not backoff.IsPositive then
            Duration.Zero
        else
            // Shifting by 63 and more would wrap; long before that any positive backoff has reached the cap.
            let doublings = min (attempt - 2) 62
            let nanoseconds = backoff.TotalNanoseconds
            if nanoseconds > (cap.TotalNanoseconds >>> doublings) then cap
            else Duration.OfNanoseconds(nanoseconds <<< doublings)
