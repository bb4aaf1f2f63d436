using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>What a lookup found: addresses, or why there are none.</summary>
internal readonly record struct Resolution(IReadOnlyList<IPAddress> Addresses, ResolveFault? Fault)
{
    /// <summary>All addresses of a name in the resolver's order; a failed lookup says why instead. Blocks its caller, and throws nothing.</summary>
    /// <param name="name">What to look up.</param>
    /// <param name="lookUp">All addresses of a name; throws as <see cref="Dns.GetHostAddresses(string)"/> does.</param>
    public static Resolution Of(string name, Func<string, IPAddress[]> lookUp)
    {
        try
        {
            IPAddress[] addresses = lookUp(name);
            return new([.. addresses.Select(IpAddress.canonical)], addresses.Length == 0 ? ResolveFault.NoAddress : null);
        }
        catch (SocketException e)
        {
            return new([], ResolveFaultModule.OfSocketError(e.SocketErrorCode, e.Message));
        }
        catch (Exception e)
        {
            // Whatever it was, it is this lookup's failure; a thread that died of it would be missed by every later one.
            return new([], ResolveFault.NewOther(e.Message));
        }
    }
}
