namespace Bitflow.Net.Transport.Linux;

/// <summary>What a completion of an <see cref="IoRing"/> tells of.</summary>
internal enum RingEvent
{
    /// <summary>A receive brought something, or is over.</summary>
    Received,

    /// <summary>A send was not taken whole.</summary>
    SendFailed,

    /// <summary>A descriptor that was watched is ready, or the watch is over.</summary>
    Ready,

    /// <summary>What was to be cancelled was over already.</summary>
    NothingToCancel,
}

/// <param name="Number">Whose receive or watch it was; the number given with it.</param>
/// <param name="Result">Bytes, or the negative errno.</param>
/// <param name="Buffer">Where received bytes are, or what was sent.</param>
/// <param name="IsLast">Whether the receive is over with this.</param>
internal readonly record struct RingCompletion(RingEvent Event, ulong Number, int Result, ushort Buffer, bool HasBuffer, bool IsLast);
