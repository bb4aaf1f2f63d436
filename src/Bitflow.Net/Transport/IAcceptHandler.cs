using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>Who takes accepted connections. Called on the loop of the connection; must not block and must not throw.</summary>
internal interface IAcceptHandler
{
    void OnAccepted(Connection connection);

    /// <summary>An accept call failed for a reason that is not the client's (descriptors, memory).</summary>
    void OnAcceptFault(IoFault fault);
}
