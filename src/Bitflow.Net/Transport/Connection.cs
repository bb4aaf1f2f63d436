using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Transport;

/// <summary>
/// One stream connection, whatever carries it: the single type between the relay and everything below it. Plain sockets of
/// both engines and TLS over either are its makers, and all of them pass the same contract tests.
/// </summary>
/// <remarks>
/// At most one receive-side call (<see cref="WaitReadableAsync"/> or <see cref="ReceiveAsync"/>) and one send-side call
/// (<see cref="SendAsync"/> or <see cref="EndAsync"/>) may be pending at a time. <see cref="Abort"/> and <see cref="Close"/> may be called
/// at any time, more than once, from any thread; what is then pending completes with <see cref="IoFault.Aborted"/>.
/// Continuations run on <see cref="Loop"/>'s thread where it has one, so they must never block.
/// </remarks>
internal abstract class Connection
{
    protected Connection(EventLoop loop) => Loop = loop;

    /// <summary>The loop that this connection lives on from first to last.</summary>
    public EventLoop Loop { get; }

    /// <summary>This end: for an accepted connection, the address that the client connected to.</summary>
    public abstract Endpoint Local { get; }

    public abstract Endpoint Remote { get; }

    /// <summary>The number of the descriptor beneath; -1 where there is none.</summary>
    public virtual int Descriptor => -1;

    /// <summary>
    /// When bytes last came beneath what protects the stream, though they made no data yet: a record may take its time. Zero where whoever receives sees
    /// every byte that comes.
    /// </summary>
    public virtual Instant LastHeard => default;

    /// <summary>Whether its TLS ended without close_notify in the midst of a record (END-2): something was cut off.</summary>
    public virtual bool EndedWithinRecord => false;

    /// <summary>What the library said of its last fault, where a fault alone does not say enough; empty where it does.</summary>
    public virtual string FaultDetail => "";

    /// <summary>
    /// Completes once a receive would not wait: there are bytes, an end, or a fault. Holds no buffer while it waits, so that an idle
    /// connection costs none.
    /// </summary>
    public abstract ValueTask<IoFault> WaitReadableAsync();

    /// <summary>
    /// Lets a pending <see cref="WaitReadableAsync"/> return early, as if there were something to receive. A hint: an engine that cannot
    /// do it lets the wait go on.
    /// </summary>
    public virtual void WakeReader()
    {
    }

    /// <summary>
    /// Receives what is there already, without waiting; false where nothing is, or where the engine cannot tell. Whoever has just connected
    /// has often spoken, too.
    /// </summary>
    public virtual bool TryReceiveNow(Span<byte> buffer, out IoResult result)
    {
        result = default;
        return false;
    }

    /// <summary>Receives at least one byte, or the end (0 bytes), or a fault.</summary>
    public abstract ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer);

    /// <summary>
    /// Hands bytes to the kernel and says how many it took: at least one, not necessarily all. Callers go on with the rest, and each
    /// answer is progress for <c>write_timeout</c>.
    /// </summary>
    public abstract ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data);

    /// <summary>Sends everything, or says what prevented it.</summary>
    public async ValueTask<IoFault> SendAllAsync(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            IoResult sent = await SendAsync(data).ConfigureAwait(false);
            if (sent.Fault != IoFault.None)
                return sent.Fault;
            data = data[sent.Bytes..];
        }

        return IoFault.None;
    }

    /// <summary>Ends the sending direction (shutdown(SHUT_WR), or close_notify); receiving goes on.</summary>
    public abstract ValueTask<IoFault> EndAsync();

    /// <summary>
    /// Sends what an end needs before a close, which follows at once and may share its segment: close_notify. Nothing where the close says it all.
    /// </summary>
    public virtual ValueTask<IoFault> EndBeforeCloseAsync() => new(IoFault.None);

    /// <summary>The close that was to follow <see cref="EndBeforeCloseAsync"/> at once does not: what waits for its segment goes alone.</summary>
    public virtual void CloseComesLater()
    {
    }

    /// <summary>What a receive would find now, without consuming it.</summary>
    public abstract Readiness Look();

    /// <summary>What a look found as <see cref="Readiness.Failed"/>; none before.</summary>
    public abstract IoFault Fault { get; }

    /// <summary>
    /// Completes when the peer has reset the connection (<see cref="IoFault.Reset"/>, or another fault the kernel reports), whether or not
    /// anyone receives; with <see cref="IoFault.Aborted"/> when the connection was closed here. At most one such call at a time; it may
    /// be pending beside a receive. The portable engine looks twice a second; the Linux engine knows at once.
    /// </summary>
    public abstract ValueTask<IoFault> WaitResetAsync();

    /// <summary>Whether what <see cref="WaitResetAsync"/> told of came behind the peer's orderly end: nothing that the peer sent was cut off.</summary>
    public abstract bool FailedBehindItsEnd { get; }

    /// <summary>Bytes sent but not yet acknowledged by the peer's kernel (SIOCOUTQ); 0 where that cannot be known.</summary>
    public abstract int UnsentBytes { get; }

    /// <summary>
    /// For a side with a write_timeout: has the kernel take new bytes as soon as little of what it holds is unsent (TCP_NOTSENT_LOWAT). Else it takes them
    /// only when a third of megabytes has gone out, and a slow reader that moves all the time would look like one that does not.
    /// </summary>
    public abstract void KeepQueueShort();

    /// <summary>What the kernel says of the bytes that it has taken (TCP_INFO); none of a Unix socket, on other systems, or of a connection that is closed.</summary>
    public abstract FSharpValueOption<SendQueue> AskQueue();

    /// <summary>
    /// Reads and forgets what has come, so that a close is none of a connection with unread data, which the kernel turns into a reset; no more than a
    /// linger would read.
    /// </summary>
    public virtual void DiscardReceived()
    {
    }

    /// <summary>Closes at once, so that the peer sees a reset (a Unix socket cannot carry one: it is closed).</summary>
    public abstract void Abort();

    /// <summary>Closes in good order. The descriptor is released; queued bytes still go out.</summary>
    public abstract void Close();
}
