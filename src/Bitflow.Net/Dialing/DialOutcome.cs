using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>A connection that is ready for the relay, or why there is none.</summary>
internal readonly record struct DialOutcome(Connection? Connection, DialFault? Fault)
{
    public static DialOutcome Failed(DialFault fault) => new(null, fault);
}
