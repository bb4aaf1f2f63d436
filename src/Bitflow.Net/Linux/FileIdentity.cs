namespace Bitflow.Net.Linux;

/// <summary>Which file a path names, whatever later happens to the path.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, bool IsSocket);
