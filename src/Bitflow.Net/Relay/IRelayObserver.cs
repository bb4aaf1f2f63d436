using Bitflow.Domain;

namespace Bitflow.Net.Relay;

/// <summary>Who hears what happens to a direction.</summary>
internal interface IRelayObserver
{
    void OnRelay(Side side, RelayEvent what);

    /// <summary>Nothing is received from the side for now, because the other takes nothing: how it fares must be seen all the same.</summary>
    void OnHeld(Side side);
}
