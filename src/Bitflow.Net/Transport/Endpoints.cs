using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>The platform's end points in the core's words.</summary>
internal static class Endpoints
{
    public static Endpoint FromPlatform(EndPoint? endpoint) => endpoint switch
    {
        IPEndPoint ip => Endpoint.OfIp(ip.Address, ip.Port),
        UnixDomainSocketEndPoint unix => Endpoint.NewUnix(unix.ToString()),
        null => Endpoint.Unknown,
        _ => endpoint.AddressFamily == AddressFamily.Unix ? Endpoint.NewUnix("") : Endpoint.Unknown,
    };

    /// <summary>A name that is no path begins with a NUL to the kernel (unix(7)).</summary>
    public static UnixDomainSocketEndPoint OfAbstractName(string name) => new("\0" + name);
}
