namespace Bitflow.Domain

/// When memory is worth returning to the system. Setting connections up leaves garbage, which a collector that goes by what is
/// allocated would leave lying for as long as they idle. Collecting everything at once stops all of them for some milliseconds, so it is done
/// seldom, and while little happens.
[<RequireQualifiedAccess>]
module MemoryReturn =
    /// Connections more than at the last return; below, nothing can be gained that anyone would see.
    let private leastGrowth = 256

    /// Bytes allocated between two looks by a program at rest.
    let private restBytes = 512L * 1024L

    /// Bytes of a heap that is collected in a few dozen milliseconds; a larger one is left to the collector.
    let private largestHeap = 128L * 1024L * 1024L

    /// Whether so many more connections are open than at the last return that a return may be due. A quarter more each time, so that
    /// a server that fills up slowly is not stopped again and again.
    [<CompiledName "IsWorthALook">]
    let isWorthALook (openThen: int) (openNow: int) : bool =
        int64 openNow - int64 openThen >= int64 (max leastGrowth (openThen / 4))

    /// Whether to return it now, having allocated so many bytes since the last look, with a heap of so many: only at rest.
    [<CompiledName "IsDue">]
    let isDue (allocated: int64) (heap: int64) : bool =
        allocated < restBytes && heap < largestHeap

    /// Connections to compare with from now on: what was lost since the last return can be won again.
    [<CompiledName "Remembered">]
    let remembered (openThen: int) (openNow: int) : int = min openThen openNow
