using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>A connection that is ready for the relay, or why there is none.</summary>
/// <param name="WordsSent">How many of the client's first bytes the target has been sent with the header.</param>
internal readonly record struct DialOutcome(Connection? Connection, DialFault? Fault, int WordsSent = 0)
{
    /// <summary>Whether it may have failed for a session of the target's that was offered to it.</summary>
    public bool IsOfSession { get; init; }

    public static DialOutcome Failed(DialFault fault) => new(null, fault);
}
