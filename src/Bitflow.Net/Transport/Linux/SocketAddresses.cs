using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>struct sockaddr and its kinds, to and from the platform's and the core's words.</summary>
internal static class SocketAddresses
{
    /// <summary>sockaddr_un, the longest of those that occur.</summary>
    public const int MaxBytes = 110;

    private const int Inet6Bytes = 28;
    private const int InetBytes = 16;

    public static int FamilyOf(EndPoint endpoint) => endpoint.AddressFamily switch
    {
        AddressFamily.InterNetwork => Libc.FamilyInet,
        AddressFamily.InterNetworkV6 => Libc.FamilyInet6,
        _ => Libc.FamilyUnix,
    };

    /// <summary>Writes an address as connect wants it; answers its bytes.</summary>
    public static int Write(EndPoint endpoint, Span<byte> to)
    {
        if (endpoint is not IPEndPoint ip)
        {
            SocketAddress platform = endpoint.Serialize();
            platform.Buffer.Span[..platform.Size].CopyTo(to);
            return platform.Size;
        }

        bool v6 = ip.AddressFamily == AddressFamily.InterNetworkV6;
        int bytes = v6 ? Inet6Bytes : InetBytes;
        to[..bytes].Clear();
        BitConverter.TryWriteBytes(to, (ushort)FamilyOf(ip));
        BinaryPrimitives.WriteUInt16BigEndian(to[2..], (ushort)ip.Port);
        ip.Address.TryWriteBytes(to[(v6 ? 8 : 4)..], out _);
        if (v6)
            BitConverter.TryWriteBytes(to[24..], (uint)ip.Address.ScopeId);
        return bytes;
    }

    public static Endpoint Read(ReadOnlySpan<byte> from)
    {
        if (from.Length < sizeof(ushort))
            return Endpoint.Unknown;
        switch (BitConverter.ToUInt16(from))
        {
            case Libc.FamilyInet when from.Length >= InetBytes:
                return Endpoint.OfIp(new IPAddress(from.Slice(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(from[2..]));
            case Libc.FamilyInet6 when from.Length >= Inet6Bytes:
                return Endpoint.OfIp(new IPAddress(from.Slice(8, 16)), BinaryPrimitives.ReadUInt16BigEndian(from[2..]));
            case Libc.FamilyUnix:
                return Endpoint.NewUnix(UnixName(from[2..]));
            default:
                return Endpoint.Unknown;
        }
    }

    /// <summary>A path ends at its zero byte if it has one; an abstract name begins with one and is as long as the address says.</summary>
    private static string UnixName(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
            return "";
        if (name[0] == 0)
            return name.Length == 1 ? "" : "@" + Encoding.UTF8.GetString(name[1..]);
        int end = name.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? name : name[..end]);
    }
}
