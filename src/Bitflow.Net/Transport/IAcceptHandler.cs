using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>Who takes accepted connections. Called on the loop of the connection; must not block and must not throw.</summary>
internal interface IAcceptHandler
{
    void OnAccepted(Connection connection);

    /// <summary>
    /// A connection was accepted, and will be handed over or told as lost, perhaps on another loop and later. Called on any loop, so that whoever
    /// watches over descriptors knows at once.
    /// </summary>
    /// <param name="descriptor">The number of its descriptor.</param>
    /// <returns>False where no more are to be accepted now, not even at a stop: what then waits in the queue is reset with it, and told of (<see cref="OnTurnedAway"/>).</returns>
    bool OnTaken(int descriptor) => true;

    /// <summary>An accept call failed for a reason that is not the client's (descriptors, memory).</summary>
    void OnAcceptFault(IoFault fault);

    /// <summary>The listener closes, and so many that wait in its queue are reset: no more could be accepted.</summary>
    void OnTurnedAway(int clients)
    {
    }

    /// <summary>A client was accepted, could not be served for want of something here, and has been reset.</summary>
    void OnLost(Endpoint client, IoFault fault) => OnAcceptFault(fault);
}
