using System.Runtime.InteropServices;

namespace Bitflow.Net.Linux;

/// <summary>
/// Every native call of Bitflow. Each answers -1 with errno in <see cref="Marshal.GetLastPInvokeError"/> where it fails, and every caller looks.
/// Numbers are those of Linux on x86-64 and arm64, which agree in what is used here.
/// </summary>
internal static partial class Libc
{
    public const int SolSocket = 1;
    public const int SoReuseAddr = 2;
    public const int SoAcceptConn = 30;
    public const int IpProtoIpv6 = 41;
    public const int Ipv6V6Only = 26;
    public const int IpProtoTcp = 6;
    public const int TcpUserTimeout = 18;
    public const int TcpCork = 3;

    public const nuint SiocOutq = 0x5411;

    public const int FGetFd = 1;
    public const int FSetFd = 2;
    public const int FdCloexec = 1;

    private const int RlimitNofile = 7;

    private const int AtFdcwd = -100;
    private const int AtSymlinkNofollow = 0x100;
    private const uint StatxBasicStats = 0x7ff;

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlInt(int descriptor, nuint request, out int value);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, out StatxBuffer buffer);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetRlimit(int resource, out Rlimit limit);

    /// <summary>The soft limit on descriptors (RLIMIT_NOFILE); unlimited where it cannot be read.</summary>
    public static long DescriptorLimit() =>
        OperatingSystem.IsLinux() && GetRlimit(RlimitNofile, out Rlimit limit) == 0 && limit.Soft <= long.MaxValue ? (long)limit.Soft : long.MaxValue;

    /// <summary>How many descriptors this process has open; reads a directory, so not for the data path.</summary>
    public static int DescriptorsInUse()
    {
        try
        {
            return Directory.GetFiles("/proc/self/fd").Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>What is at a path, links not followed; null where nothing is or it cannot be seen.</summary>
    public static FileIdentity? Identify(string path)
    {
        if (Statx(AtFdcwd, path, AtSymlinkNofollow, StatxBasicStats, out StatxBuffer buffer) != 0)
            return null;
        return new FileIdentity(buffer.DeviceMajor, buffer.DeviceMinor, buffer.Inode, (buffer.Mode & 0xF000) == 0xC000);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Rlimit
    {
        public ulong Soft;
        public ulong Hard;
    }

    /// <summary>struct statx of linux/stat.h: 256 bytes, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
