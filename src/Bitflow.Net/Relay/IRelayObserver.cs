using Bitflow.Domain;

namespace Bitflow.Net.Relay;

/// <summary>Who hears what happens to a direction.</summary>
internal interface IRelayObserver
{
    void OnRelay(Side side, RelayEvent what);
}
