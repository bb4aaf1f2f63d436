namespace Bitflow.Domain

open System

/// Where a service manager listens for notifications: NOTIFY_SOCKET (SD-9).
[<RequireQualifiedAccess>]
type NotifyAddress =
    | Path of path: string
    | Abstract of name: string
    | Vsock of cid: uint32 * port: uint32

[<RequireQualifiedAccess>]
type NotifyAddressError =
    | TooLong of bytes: int
    | UnknownForm of text: string
    /// Of a form that is not spoken here.
    | NotSupported of text: string
    | NobodyListens of text: string

/// What is told to the service manager (SD-10 to SD-12).
[<RequireQualifiedAccess>]
type NotifyMessage =
    | Ready of status: string
    /// The monotonic clock (CLOCK_MONOTONIC) when the reload began.
    | Reloading of monotonic: Instant
    | Stopping of status: string
    | Watchdog

/// The datagrams of `sd_notify(3)`. Sending them is the shell's; failing to is never fatal.
[<RequireQualifiedAccess>]
module SystemdNotify =
    /// None: there is nobody to notify.
    [<CompiledName("Address")>]
    let tryAddress (notifySocket: string) : Result<NotifyAddress, NotifyAddressError> option =
        let vsock (text: string) =
            match text.Split ':' with
            | [| _; cid; port |] ->
                let number text = WholeNumber.tryParse (int64 UInt32.MaxValue) text |> ValueOption.map uint32
                match number cid, number port with
                | ValueSome cid, ValueSome port -> Ok(NotifyAddress.Vsock(cid, port))
                | _ -> Error(NotifyAddressError.UnknownForm text)
            | _ -> Error(NotifyAddressError.UnknownForm text)
        if String.IsNullOrEmpty notifySocket then
            None
        else
            let bytes = Text.Encoding.UTF8.GetByteCount notifySocket
            if notifySocket.StartsWith "vsock:" then Some(vsock notifySocket)
            elif bytes > Address.maxUnixPathBytes then Some(Error(NotifyAddressError.TooLong bytes))
            elif notifySocket.StartsWith '/' then Some(Ok(NotifyAddress.Path notifySocket))
            elif notifySocket.StartsWith '@' && bytes > 1 then Some(Ok(NotifyAddress.Abstract(notifySocket.Substring 1)))
            else Some(Error(NotifyAddressError.UnknownForm notifySocket))

    [<CompiledName("Describe")>]
    let describe (error: NotifyAddressError) =
        match error with
        | NotifyAddressError.TooLong bytes -> $"NOTIFY_SOCKET has {bytes} bytes; a Unix socket's path has at most {Address.maxUnixPathBytes}"
        | NotifyAddressError.UnknownForm text -> $"NOTIFY_SOCKET is \"{Printable.ofText text}\", which is neither a path nor @NAME"
        | NotifyAddressError.NotSupported text -> $"NOTIFY_SOCKET is {Printable.ofText text}, a vsock address, which is not supported"
        | NotifyAddressError.NobodyListens text -> $"NOTIFY_SOCKET is \"{Printable.ofText text}\", where no service manager listens that may be told anything"

    /// A status is one line: a line feed in it would begin an assignment of its own.
    let private status (text: string) =
        if String.IsNullOrEmpty text then
            ""
        else
            let oneLine = text |> String.map (fun c -> if Char.IsControl c then ' ' else c)
            $"\nSTATUS={oneLine}"

    /// The text of the datagram.
    [<CompiledName("Write")>]
    let write (message: NotifyMessage) : string =
        match message with
        | NotifyMessage.Ready text -> "READY=1" + status text
        | NotifyMessage.Reloading at -> $"RELOADING=1\nMONOTONIC_USEC={at.Nanoseconds / 1_000L}"
        | NotifyMessage.Stopping text -> "STOPPING=1" + status text
        | NotifyMessage.Watchdog -> "WATCHDOG=1"

    /// How often the watchdog wants to hear of us: half of what it waits (SD-12). None: it does not, or not of us.
    [<CompiledName("WatchdogInterval")>]
    let watchdogInterval (ownPid: int) (watchdogUsec: string) (watchdogPid: string) : Duration option =
        let ours =
            String.IsNullOrEmpty watchdogPid
            || WholeNumber.tryParse (int64 Int32.MaxValue) watchdogPid = ValueSome(int64 ownPid)
        match WholeNumber.tryParse Int64.MaxValue watchdogUsec with
        | ValueSome usec when ours && usec > 0L ->
            Some(Duration.OfNanoseconds(if usec > Int64.MaxValue / 500L then Int64.MaxValue else usec * 500L))
        | _ -> None
