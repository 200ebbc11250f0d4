<%@ page contentType="text/plain; charset=utf-8" import="java.security.SecureRandom, java.util.HexFormat" %><%
// A virtual key: drawn for one driver, good for one session, counted at every use.
byte[] drawn = new byte[16];
if (session.getAttribute("key") == null) {
    new SecureRandom().nextBytes(drawn);
    session.setAttribute("key", HexFormat.of().formatHex(drawn));
    session.setAttribute("uses", 0);
}
int uses = (Integer) session.getAttribute("uses") + 1;
session.setAttribute("uses", uses);
response.setHeader("X-Served-By", java.net.InetAddress.getLocalHost().getHostName());
%>key <%= session.getAttribute("key") %>
use <%= uses %>
