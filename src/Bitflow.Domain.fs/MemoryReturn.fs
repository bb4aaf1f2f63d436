namespace Bitflow.Domain

/// What the shell is to do now.
[<RequireQualifiedAccess; NoComparison>]
type MemoryOrder =
    /// Collect everything, and return to the system what is freed.
    | Collect
    /// Return what lies free in the heaps of the system's libraries.
    | Trim
    /// Look at the program after so long, and say what was found (`MemoryReturn.looked`).
    | LookIn of wait: Duration

/// What a shell has for each order. An order more is a member more: no shell is built without it.
type IMemoryGuard =
    abstract Collect: unit -> unit
    abstract Trim: unit -> unit
    abstract LookIn: wait: Duration -> unit

[<RequireQualifiedAccess>]
module MemoryOrder =
    [<CompiledName "CarryOut">]
    let carryOut (guard: IMemoryGuard) (order: MemoryOrder) : unit =
        match order with
        | MemoryOrder.Collect -> guard.Collect()
        | MemoryOrder.Trim -> guard.Trim()
        | MemoryOrder.LookIn wait -> guard.LookIn wait

/// What is remembered of the memory that was returned, as a state that the caller keeps.
[<NoComparison>]
type MemoryReturn =
    private
        { /// Connections that were open at the last return, or fewer since.
          Open: int
          /// During a burst: the bytes that had been allocated when the program was looked at last.
          Burst: int64 voption
          /// Looks that follow a return.
          LooksLeft: int }

/// When memory is worth returning to the system. Setting connections up leaves garbage, which a collector that goes by what is
/// allocated would leave lying for as long as they idle. Collecting everything at once stops all of them for some milliseconds, so it is done
/// seldom, and while little happens. Every transition is total, and gives the next state and the orders to carry out in their order.
[<RequireQualifiedAccess>]
module MemoryReturn =
    /// Connections more than at the last return; below, nothing can be gained that anyone would see.
    let private leastGrowth = 256

    /// Bytes allocated between two looks by a program at rest.
    let private restBytes = 512L * 1024L

    /// Bytes of a heap that is collected in a few dozen milliseconds; a larger one is left to the collector.
    let private largestHeap = 128L * 1024L * 1024L

    let private lookInterval = Duration.OfMilliseconds 200L

    /// The runtime's compiler keeps the memory that it worked in, some megabytes behind a burst that made code hot, for when it is needed again. It lets go of what it
    /// has not needed where the program is looked at, but not within two seconds of the last time, and only of what it had then already.
    let private compilerKeeps = Duration.OfMilliseconds 2_200L

    /// Until all of that is let go of.
    let private laterLooks = 3

    /// Nothing was returned yet.
    [<CompiledName "Start">]
    let start: MemoryReturn = { Open = 0; Burst = ValueNone; LooksLeft = 0 }

    /// Whether so many more connections are open than at the last return that a return may be due. A quarter more each time, so that
    /// a server that fills up slowly is not stopped again and again.
    let private isWorthALook (openNow: int) (memory: MemoryReturn) : bool =
        int64 openNow - int64 memory.Open >= int64 (max leastGrowth (memory.Open / 4))

    let private burst (allocated: int64) (memory: MemoryReturn) : struct (MemoryReturn * MemoryOrder list) =
        struct ({ memory with Burst = ValueSome allocated }, [ MemoryOrder.LookIn lookInterval ])

    /// Some more connections were accepted: so many are open now, and so many bytes have been allocated since the program began. What was lost since the last return can
    /// be won again.
    [<CompiledName "Accepted">]
    let accepted (openNow: int) (allocated: int64) (memory: MemoryReturn) : struct (MemoryReturn * MemoryOrder list) =
        let memory = { memory with Open = min memory.Open openNow }
        if memory.Burst.IsNone && isWorthALook openNow memory then burst allocated memory else struct (memory, [])

    /// A look, with the same arguments and the bytes of the heap. Nothing is returned but at rest; a heap that is too large to be collected is trimmed all the same. A burst of connections that have gone
    /// meanwhile was none, and spends no look behind a return.
    [<CompiledName "Looked">]
    let looked (openNow: int) (allocated: int64) (heap: int64) (memory: MemoryReturn) : struct (MemoryReturn * MemoryOrder list) =
        let behind left = if left > 0 then [ MemoryOrder.LookIn compilerKeeps ] else []
        match memory.Burst with
        | ValueSome before when isWorthALook openNow memory && allocated - before < restBytes ->
            struct ({ Open = openNow; Burst = ValueNone; LooksLeft = laterLooks },
                    [ yield! behind laterLooks
                      if heap < largestHeap then MemoryOrder.Collect
                      MemoryOrder.Trim ])
        | _ when isWorthALook openNow memory -> burst allocated memory
        | ValueSome _ -> struct ({ memory with Burst = ValueNone }, behind memory.LooksLeft)
        | ValueNone when memory.LooksLeft = 0 -> struct (memory, [])
        | ValueNone ->
            let left = memory.LooksLeft - 1
            struct ({ memory with LooksLeft = left }, behind left @ [ MemoryOrder.Trim ])
