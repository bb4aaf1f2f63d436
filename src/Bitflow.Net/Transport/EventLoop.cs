using System.Net;
using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>
/// Where connections live: the clock they see, the timers that wake them, and the place where their continuations run. The Linux engine
/// has one a core, each with its thread; the portable engine has one without a thread, whose work runs on the thread pool.
/// </summary>
/// <param name="place">Its place among the loops of its engine.</param>
internal abstract class EventLoop(int place)
{
    /// <summary>Its place among the loops of its engine, from 0.</summary>
    public int Place { get; } = place;

    /// <summary>The monotonic clock. On a loop with a thread it is read once a turn.</summary>
    public abstract Instant Now { get; }

    /// <summary>
    /// Arms a timer, or moves one that is armed: no allocation. It fires on this loop, once, at or after <paramref name="at"/>;
    /// <see cref="Instant.Never"/> disarms. Any thread may call it.
    /// </summary>
    public abstract void Arm(LoopTimer timer, Instant at);

    public void Disarm(LoopTimer timer) => Arm(timer, Instant.Never);

    /// <summary>Runs work on this loop soon, never inside the call.</summary>
    public abstract void Post(Action work);

    /// <summary>Comes back on this loop when it has looked at its clock and at everybody else.</summary>
    public Task NextTurnAsync()
    {
        var turn = new TaskCompletionSource();
        Post(turn.SetResult);
        return turn.Task;
    }

    /// <summary>Whether the caller already runs on this loop (always true of a loop without a thread).</summary>
    public abstract bool IsCurrent { get; }

    /// <summary>Brings an async method that came back from the thread pool home to this loop.</summary>
    public LoopSwitch SwitchAsync() => new(this);

    /// <summary>
    /// Begins to connect. <paramref name="connection"/> is there at once, so that <see cref="Connection.Abort"/> can end the attempt; the task says
    /// how it came out. On a fault the connection has been closed already.
    /// </summary>
    public abstract ValueTask<IoFault> ConnectAsync(EndPoint remote, in SocketSettings settings, out Connection connection);

    /// <summary>
    /// Takes over a connected stream socket that was inherited; on this loop. On a fault it has been closed already. What is wrong with the socket itself is told by
    /// what is done with the connection, never by an exception.
    /// </summary>
    public abstract IoFault Adopt(int descriptor, in SocketSettings settings, out Connection connection);
}
